"""The one object a notebook holds: ``lab = Lab.connect()``."""

from labkit.lab.lab import Lab

__all__ = ["Lab"]
