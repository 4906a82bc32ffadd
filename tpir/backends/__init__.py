"""What a program becomes: Python modules and weights."""
