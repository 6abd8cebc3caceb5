"""Turn typed indicators into queries, one type per module."""
