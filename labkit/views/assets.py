"""The page side of a view: its own module and styles behind those that all views share.

A page gets one text each, so there is nothing to bundle and nothing to fetch.
"""

from pathlib import Path

_HERE = Path(__file__).parent


def module(*names: str) -> str:
    """The ES module of a view: ``module("canary", "split")``; the last one renders."""
    return "".join(_text(f"{name}.js") for name in ("draw", "live", *names))


def styles(*names: str) -> str:
    """Its style sheet."""
    return "".join(_text(f"{name}.css") for name in ("base", *names))


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
