"""The interactive prompt: statements in, displays out, on a terminal or in a notebook."""
