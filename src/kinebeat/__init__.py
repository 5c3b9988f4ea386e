"""Kinebeat hears the rhythm in human movement."""

__version__ = "0.1.0"
