"""Semantics: the interpreter, which says what a program means, and input spaces."""
