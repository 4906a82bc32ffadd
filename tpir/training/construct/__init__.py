"""Finding the program by construction: features in order of their length, until labels follow."""
