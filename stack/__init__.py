"""Run the real programs that the compiled files are made for."""
