"""Serve status and decisions over HTTP."""
