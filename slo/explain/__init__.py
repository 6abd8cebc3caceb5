"""Hold data files only."""
