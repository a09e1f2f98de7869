"""The pinned versions of a real cluster, from one data file."""

import functools
from importlib import resources as files
from typing import Any

import yaml


@functools.cache
def pinned() -> dict[str, Any]:
    """The data file, ``data/versions.yaml``."""
    text = files.files(__package__).joinpath("data/versions.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def parse(text: str) -> tuple[int, ...]:
    """``v1.35.8`` and ``kind v0.33.0 go1.26`` as numbers: ``(1, 35, 8)``; empty where there is no version."""
    import re

    match = re.search(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def node_image(kind_version: str) -> str | None:
    """The node image for a release of kind; None where the kit has none pinned: kind's own default then."""
    major_minor = ".".join(map(str, parse(kind_version)[:2]))
    image: str | None = pinned()["node_images"].get(f"v{major_minor}")
    return image
