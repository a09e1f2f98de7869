"""Every version that the kit pins or imitates, from one data file: ``data/versions.yaml``."""

import functools
import re
from importlib import resources as files
from typing import Any

import yaml


@functools.cache
def pinned() -> dict[str, Any]:
    """The data file."""
    text = files.files(__package__).joinpath("data/versions.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document


def istio() -> str:
    """The Istio that is installed on a real cluster, and that the sandbox follows: ``1.31.1``."""
    return str(pinned()["istio"]["version"])


def previous_istio() -> str:
    """The release before it: what an upgrade is practised from on the sandbox, where both run the same program."""
    return str(pinned()["istio"]["previous"])


def kubernetes() -> str:
    """The Kubernetes that the sandbox follows: ``v1.36.3``."""
    return str(pinned()["kubernetes"])


def gateway_api() -> str:
    """The bundle of the Gateway API that this Istio is built against: ``v1.6.0``."""
    return str(pinned()["gateway_api"])


def image(name: str) -> str:
    """An image of Istio's release: ``docker.io/istio/proxyv2:1.31.1``."""
    return f"{pinned()['istio']['hub']}/{name}:{istio()}"


def filled(text: str) -> str:
    """A text of ours with the pinned version for each ``${ISTIO}``."""
    return text.replace("${ISTIO}", istio())


def parse(text: str) -> tuple[int, ...]:
    """``v1.35.8`` and ``kind v0.33.0 go1.26`` as numbers: ``(1, 35, 8)``; empty where there is no version."""
    match = re.search(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def node_image(kind_version: str) -> str | None:
    """The node image for a release of kind; None where the kit has none pinned: kind's own default then."""
    major_minor = ".".join(map(str, parse(kind_version)[:2]))
    image: str | None = pinned()["node_images"].get(f"v{major_minor}")
    return image
