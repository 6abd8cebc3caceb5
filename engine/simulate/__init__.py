"""Simulate alerts: against error rates, and against what has happened."""
