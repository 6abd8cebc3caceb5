"""Run the live engine: put its parts together, start and stop them in order."""
