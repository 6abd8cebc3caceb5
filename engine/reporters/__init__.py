"""Print diagnostics, one module per format."""
