"""What a lesson takes away before it begins: what another one left, and nothing of anybody else's.

On a cluster that is there for the course alone, as a sandbox is, every rule of the mesh in the course's namespaces
goes, whoever applied it; on any other cluster only what carries the kit's label. What the kit did not make itself is
written to a file before it goes, so nothing that was applied is lost.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from labkit.install import kinds
from labkit.kube import client, manifests, marks, resources, status
from labkit.kube.resources import Object, Resource

Key = tuple[str, str, str]
"""Kind, namespace and name."""

RULES = (*resources.ISTIO, *resources.NOT_TRANSLATED, *resources.GATEWAY_API)
"""Kinds that tell a mesh what to do."""

OWN_NAMESPACES = ("refresher", "shop", "outside", "legacy")
"""Namespaces that lessons make for themselves; what is in them goes with them."""

WORKLOADS = (resources.DEPLOYMENTS, resources.SERVICES, resources.SERVICE_ACCOUNTS, resources.CONFIG_MAPS)
"""Kinds of which only the kit's own objects ever go."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One object that no manifest of the chapter has."""

    resource: Resource
    obj: Object

    @property
    def name(self) -> str:
        """As kubectl names it: ``virtualservice/reviews``."""
        return f"{self.resource.kind.lower()}/{resources.name_of(self.obj)}"


def key_of(obj: Object, namespace: str) -> Key:
    """Where an object of a manifest will be."""
    return obj["kind"], resources.namespace_of(obj) or namespace, resources.name_of(obj)


def leftovers(api: client.Client, namespaces: Collection[str], *, kept: Collection[Key]) -> list[Leftover]:
    """Every object of the kinds above that no manifest of the chapter has."""
    others = []
    for resource in (*RULES, *WORKLOADS):
        for namespace in namespaces:
            try:
                listed = api.list(resource, namespace)
            except status.StatusError as e:
                if e.code not in (403, 404):
                    raise
                continue  # a kind that this cluster does not serve, or a namespace that this user may not read
            others += [Leftover(resource=resource, obj=o) for o in listed if key_of(o, namespace) not in kept]
    return others


def goes(leftover: Leftover, *, is_owned: bool) -> bool:
    """Whether the kit may take it away; ``is_owned`` says that the cluster is there for the course alone."""
    if marks.is_ours(leftover.obj):
        return True
    return is_owned and leftover.resource in RULES and resources.owner_of(leftover.obj) is None


def keep_copy(objects: list[Object], folder: Path) -> Path:
    """Write objects to a file of their own, ready for ``kubectl apply``; its path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{time.monotonic_ns() % 1_000_000:06d}.yaml"
    path.write_text(manifests.dump(*(stripped(obj) for obj in objects)))
    return path


def stripped(obj: Object) -> Object:
    """An object as somebody would write it: without what the server added."""
    metadata = {
        key: value for key, value in obj["metadata"].items() if key in ("name", "namespace", "labels", "annotations")
    }
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(kinds.LAST_APPLIED, None)
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return json.loads(json.dumps({**kept, "metadata": metadata}))  # type: ignore[no-any-return]
