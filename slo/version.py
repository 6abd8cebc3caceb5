"""Hold the version of the product, read by the build and by every generated header."""

__all__ = ["__version__"]

__version__ = "0.1.0"
