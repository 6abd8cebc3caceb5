"""Hold what the benchmarks share."""
