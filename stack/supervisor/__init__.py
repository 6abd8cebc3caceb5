"""Keep the parts of a local stack running: one process that outlives the terminal."""
