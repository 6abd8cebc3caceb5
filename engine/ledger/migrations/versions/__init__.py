"""Hold one file for each step, in order."""
