"""Check the meaning of plans, one concern per module."""
