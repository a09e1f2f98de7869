"""``./lab gallery``: every view on one page, from canned frames; no cluster runs for it."""

import argparse
from pathlib import Path

from labkit.base import settings


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``gallery``."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the page (gallery.html of the lab)")


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print where it is."""
    from labkit.lab import gallery

    path: Path = arguments.output or settings.Paths().home / "gallery.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(gallery.page(gallery.exhibits()), encoding="utf-8")
    print(path.resolve())
    return 0
