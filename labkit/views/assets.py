"""The page side of a view: its own module and styles behind those that all views share.

A page gets one text each, so there is nothing to bundle and nothing to fetch.
"""

from pathlib import Path

_HERE = Path(__file__).parent


def module(name: str) -> str:
    """The ES module of a view: ``module("split")``."""
    return _text("draw.js") + _text(f"{name}.js")


def styles(name: str) -> str:
    """Its style sheet."""
    return _text("base.css") + _text(f"{name}.css")


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
