"""Objects of the mesh and of Kubernetes that are not carried out as they stand, for ``lab.analyze()``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.install import istio
from labkit.kube import client, resources
from labkit.kube.resources import Object, Resource
from labkit.lab import cleanup, snapshots
from labkit.mesh import analysis, refusals
from labkit.mesh.ambient import ztunnel
from labkit.mesh.api import caveats
from labkit.mesh.policies import provider_findings
from labkit.sandbox import support

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know of one object."""

    object: str
    """``VirtualService default/reviews``."""

    level: str
    """``error``, ``warning`` or ``info``, as ``istioctl analyze`` has them."""

    message: str
    code: str = ""
    """``IST0101`` for what ``istioctl analyze`` says too; empty for what only the object or the sandbox says."""


def findings(api: client.Client, namespace: str, *, has_caveats: bool) -> list[Finding]:
    """Findings on every object in a namespace and on those without one, errors first.

    What ``istioctl analyze`` says, conditions that are not true, and what a cluster with caveats does not carry out.
    """
    mesh = snapshots.mesh_config(api)
    listed = [f for obj in _objects(api, namespace) for f in of_object(obj, has_caveats=has_caveats, mesh=mesh)]
    if has_caveats:
        listed += [_of_mesh(text) for text in provider_findings.of_mesh(mesh)]
        listed += [f for pod in api.list(resources.PODS, namespace) for f in _kept(pod)]
        listed += [f for resource in support.resources() for obj in api.list(resource, namespace) for f in _limits(obj)]
    messages = analysis.analyze(_snapshot(api))
    listed += [_of_message(m) for m in messages if m.namespace in ("", namespace) and m.code != CONDITION]
    return sorted(listed, key=lambda f: (LEVELS.index(f.level), f.object, f.code))


LEVELS = ("error", "warning", "info")

EVERYWHERE = (
    *(resources.NAMESPACES, resources.SERVICES, resources.PODS, resources.SECRETS, resources.CONFIG_MAPS),
    *(resources.DEPLOYMENTS, resources.MUTATING_WEBHOOKS, *cleanup.RULES),
)
"""Kinds that are looked at in every namespace: an object may refer to one elsewhere."""

CONDITION = "IST0171"
"""Conditions that are not true: ``of_object`` reads those of routes and listeners too."""


def _snapshot(api: client.Client) -> analysis.Snapshot:
    return analysis.Snapshot(
        {"kind": r.kind, "apiVersion": r.api_version, **o} for r in EVERYWHERE for o in _list(api, r)
    )


def refused(page: str, namespace: str) -> list[Finding]:
    """What Envoys refuse of the objects of a namespace, by istiod's page of pushes: a sandbox alone knows it."""
    findings = []
    for refusal in json.loads(page).get("why") or []:
        text = refusals.sentence(refusal["text"]) or refusals.UNTOLD
        for name in refusal["objects"]:
            kind, space, own = name.split("/", 2)
            if space == namespace:
                message = f"an Envoy refuses what this became, and keeps what it had: {text}"
                findings.append(Finding(object=f"{kind} {space}/{own}", level="error", message=message))
    return findings


def _of_message(message: analysis.Message) -> Finding:
    return Finding(object=message.origin, level=message.level.lower(), code=message.code, message=message.text)


def _of_mesh(text: str) -> Finding:
    return Finding(object=f"ConfigMap {istio.NAMESPACE}/istio", level="warning", message=f"{caveats.PREFIX}{text}")


def of_object(obj: Object, *, has_caveats: bool, mesh: Mapping[str, Any] | None = None) -> list[Finding]:
    """Of one object: fields without effect on a cluster with caveats, and conditions that are not true."""
    name = f"{obj['kind']} {resources.namespace_of(obj)}/{resources.name_of(obj)}"
    fields = caveats.findings(obj, mesh) if has_caveats else []
    ignored = [Finding(object=name, level="warning", message=f"{caveats.PREFIX}{text}") for text in fields]
    return [*(Finding(object=name, level="error", message=text) for text in _untrue(obj.get("status") or {})), *ignored]


def _kept(pod: Object) -> Iterator[Finding]:
    """Whether plaintext reaches a program of a pod in ambient although ztunnel should decide."""
    if text := ztunnel.kept(pod):
        name = f"Pod {resources.namespace_of(pod)}/{resources.name_of(pod)}"
        yield Finding(object=name, level="warning", message=f"{caveats.PREFIX}{text}")


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
    for resource in cleanup.RULES:
        yield from _list(api, resource, namespace)


def _list(api: client.Client, resource: Resource, namespace: str | None = None) -> list[Object]:
    return api.visible(resource, namespace)


def frame(findings: Sequence[Finding]) -> "pd.DataFrame":
    """A row per finding: object, level, code, message."""
    import pandas as pd

    pd.set_option("display.max_colwidth", None)  # a message that is cut says nothing
    rows = [(f.object, f.level, f.code, f.message) for f in findings]
    return pd.DataFrame(rows, columns=["object", "level", "code", "message"])
