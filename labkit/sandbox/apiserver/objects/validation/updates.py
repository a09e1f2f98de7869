"""What an update of a built-in object may not change."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.tables.columns import at
from labkit.sandbox.apiserver.objects.validation import causes, gonames, jobupdates, poddiff
from labkit.sandbox.apiserver.objects.validation.causes import Cause

FIXED: Mapping[str, tuple[str, ...]] = {
    "apps/Deployment": ("spec.selector",),
    "apps/ReplicaSet": ("spec.selector",),
    "apps/DaemonSet": ("spec.selector",),
    "/Secret": ("type",),
    "apps/ControllerRevision": ("data",),
    "apiextensions.k8s.io/CustomResourceDefinition": ("spec.group", "spec.scope"),
    "storage.k8s.io/StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "discovery.k8s.io/EndpointSlice": ("addressType",),
}
"""``GROUP/KIND`` → fields that stay what they were."""

_STATEFUL = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def problems(schema: Schema, new: Object, old: Object) -> Iterator[Cause]:
    """Changes that are not allowed."""
    key = f"{schema.group}/{schema.kind}"
    for path in FIXED.get(key, ()):
        value = at(*path.split("."), default=None) if "." in path else _field(path)
        if value(new) != value(old):
            yield causes.wrong(path, value(new), causes.IMMUTABLE)
    if rule := _RULES.get(key):
        yield from rule(new, old)


def _field(name: str) -> Callable[[Object], Any]:
    return lambda obj: obj.get(name)


CONTENT_FIRST = (
    *("/Pod", "/PersistentVolumeClaim", "batch/Job"),
    *("apps/Deployment", "apps/ReplicaSet", "apps/StatefulSet", "discovery.k8s.io/EndpointSlice"),
    *("rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding"),
)
"""Kinds whose updates are judged as new objects before they are compared with the old one."""


def _frozen(*fields: str) -> Callable[[Object, Object], Iterator[Cause]]:
    def rule(new: Object, old: Object) -> Iterator[Cause]:
        if not old.get("immutable"):
            return
        if not new.get("immutable"):
            yield causes.forbidden("immutable", "field is immutable when `immutable` is set")
        for field in fields:
            if (new.get(field) or {}) != (old.get(field) or {}):
                yield causes.forbidden(field, "field is immutable when `immutable` is set")

    return rule


def _role_ref(new: Object, old: Object) -> Iterator[Cause]:
    if new.get("roleRef") != old.get("roleRef"):
        yield causes.wrong("roleRef", gonames.internal("RoleRef", new["roleRef"]), "cannot change roleRef")


def _priority(new: Object, old: Object) -> Iterator[Cause]:
    for field in ("value", "preemptionPolicy"):
        if new.get(field) != old.get(field):
            yield causes.forbidden(field, "may not be changed in an update.")


def _stateful_set(new: Object, old: Object) -> Iterator[Cause]:
    def rest(obj: Object) -> dict[str, Any]:
        return {key: value for key, value in obj["spec"].items() if key not in _STATEFUL}

    if rest(new) != rest(old):
        words = ", ".join(f"'{name}'" for name in _STATEFUL[:-1])
        yield causes.forbidden(
            "spec", f"updates to statefulset spec for fields other than {words} and '{_STATEFUL[-1]}' are forbidden"
        )


def _service(new: Object, old: Object) -> Iterator[Cause]:
    before, after = old["spec"].get("clusterIPs") or [], new["spec"].get("clusterIPs") or []
    if "ExternalName" in (old["spec"].get("type"), new["spec"].get("type")) or not before or not after:
        return
    if before[0] != after[0]:
        yield causes.wrong("spec.clusterIPs[0]", after, "may not change once set")


_RULES: Mapping[str, Callable[[Object, Object], Iterator[Cause]]] = {
    "batch/Job": jobupdates.problems,
    "/Pod": poddiff.pod,
    "/PersistentVolumeClaim": poddiff.claim,
    "/Secret": _frozen("data"),
    "/ConfigMap": _frozen("data", "binaryData"),
    "/Service": _service,
    "apps/StatefulSet": _stateful_set,
    "rbac.authorization.k8s.io/RoleBinding": _role_ref,
    "rbac.authorization.k8s.io/ClusterRoleBinding": _role_ref,
    "scheduling.k8s.io/PriorityClass": _priority,
}
