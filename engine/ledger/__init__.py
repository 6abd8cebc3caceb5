"""Keep corrections, freezes, overrides and decisions, so that none is ever lost."""
