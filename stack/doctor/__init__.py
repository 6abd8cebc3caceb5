"""Prove the paths of a running stack end to end, and say what to do about each failure."""
