"""Compile service level objectives into Prometheus rules, alerts and their tests."""

from slo.version import __version__

__all__ = ["__version__"]
