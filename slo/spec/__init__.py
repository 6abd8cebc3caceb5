"""Read one dialect per module into plans."""
