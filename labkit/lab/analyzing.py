"""Objects of the mesh and of Kubernetes that are not carried out as they stand, for ``lab.analyze()``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.kube import client, resources, status
from labkit.kube.resources import Object
from labkit.lab import clearing
from labkit.mesh.api import caveats
from labkit.sandbox import support

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know of one object."""

    object: str
    """``VirtualService default/reviews``."""

    level: str
    """``error`` where the last good configuration stays, ``warning`` where a field has no effect."""

    message: str


def findings(api: client.Client, namespace: str, *, is_sandbox: bool) -> list[Finding]:
    """Findings on every object in a namespace and on those without one, errors first."""
    listed = [f for obj in _objects(api, namespace) for f in of_object(obj, is_sandbox=is_sandbox)]
    if is_sandbox:
        listed += [f for resource in support.resources() for obj in api.list(resource, namespace) for f in _limits(obj)]
    return sorted(listed, key=lambda f: (f.level, f.object))


def of_object(obj: Object, *, is_sandbox: bool) -> list[Finding]:
    """Of one object: fields without effect on a sandbox, and conditions that are not true."""
    name = f"{obj['kind']} {resources.namespace_of(obj)}/{resources.name_of(obj)}"
    fields = caveats.findings(obj) if is_sandbox else []
    found = [Finding(object=name, level="warning", message=f"{caveats.PREFIX}{text}") for text in fields]
    return [*(Finding(object=name, level="error", message=text) for text in _untrue(obj.get("status") or {})), *found]


def _limits(obj: Object) -> list[Finding]:
    """Findings on an object of Kubernetes; pods of a Deployment repeat nothing that stands on the Deployment."""
    if support.is_told_by_owner(obj):
        return []
    namespace = resources.namespace_of(obj)
    name = (
        f"{obj['kind']} {namespace}/{resources.name_of(obj)}"
        if namespace
        else f"{obj['kind']} {obj['metadata']['name']}"
    )
    return [Finding(object=name, level="warning", message=f"{support.PREFIX}{text}") for text in support.findings(obj)]


def _untrue(told: Any) -> Iterator[str]:
    """Messages of conditions that say False, at any depth: routes have them by parent, gateways by listener."""
    if isinstance(told, list):
        for item in told:
            yield from _untrue(item)
    elif isinstance(told, dict):
        for condition in told.get("conditions") or []:
            if condition.get("status") == "False" and condition.get("type") not in EXPECTED:
                yield f"{condition['type']}: {condition.get('message', condition.get('reason', ''))}"
        for key in ("parents", "listeners"):
            yield from _untrue(told.get(key) or [])


EXPECTED = ("Conflicted", "OverlappingTLSConfig")
"""Conditions that are False when all is well."""


def _objects(api: client.Client, namespace: str) -> Iterator[Object]:
    for resource in clearing.RULES:
        try:
            yield from api.list(resource, namespace)
        except status.NotFound:
            continue  # a kind that this cluster does not serve


def frame(found: Sequence[Finding]) -> "pd.DataFrame":
    """A row a finding: object, level, message."""
    import pandas as pd

    return pd.DataFrame([(f.object, f.level, f.message) for f in found], columns=["object", "level", "message"])
