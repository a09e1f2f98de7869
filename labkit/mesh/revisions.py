"""Revisions of the control plane: the names that one gives its objects, and which objects it looks at.

Revision ``default`` has Istio's plain names (``istiod``); any other adds its own (``istiod-canary``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model

DEFAULT = "default"
LABEL, TAG = "istio.io/rev", "istio.io/tag"
ROOT = "istio-system"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One control plane."""

    name: str = DEFAULT
    image: str = ""
    """The image of proxies that it injects; empty for the kit's own."""

    def __str__(self) -> str:
        return self.name

    @property
    def is_default(self) -> bool:
        """Whether its objects have Istio's plain names."""
        return self.name == DEFAULT

    def named(self, name: str) -> str:
        """``istiod`` or ``istiod-canary``: a name as this revision has it."""
        return name if self.is_default else f"{name}-{self.name}"

    @property
    def address(self) -> str:
        """Where its proxies find it."""
        return f"{self.named('istiod')}.{ROOT}.svc:15012"

    def has(self, obj: Object) -> bool:
        """Whether this control plane reads an object: one that names a revision is for that one alone."""
        return resources.labels_of(obj).get(LABEL, self.name) == self.name


def of_name(name: str) -> Revision:
    """An empty name is the default revision."""
    return Revision(name=name or DEFAULT)


def version_of(image: str) -> str:
    """The version in the tag of an image: ``1.31.0`` of ``docker.io/istio/pilot:1.31.0-distroless``."""
    tag = image.partition("@")[0].rpartition(":")[2].partition("-")[0]
    return tag if tag[:1].isdigit() and "/" not in tag else model.ISTIO_VERSION


def proxy_image(values: Mapping[str, Any]) -> str:
    """The image of proxies by an injector's values; empty where they do not say."""
    chosen = values.get("global") or {}
    image = str((chosen.get("proxy") or {}).get("image", ""))
    return image if "/" in image or not image else f"{chosen.get('hub')}/{image}:{chosen.get('tag')}"
