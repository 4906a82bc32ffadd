"""Lowerings: one file for each source that becomes a program."""
