"""Decide whether a deployment may go ahead."""
