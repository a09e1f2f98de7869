"""Metadata, of whatever kind."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_FREE_FINALIZERS = (
    *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io"),
    "coordination.k8s.io",
)
"""Groups whose finalizers need no prefix."""

LOOKED_AT_LAST = ("/Event", "policy/PodDisruptionBudget")
"""Kinds whose own rules leave metadata alone: it is judged, loosely, once nothing else is wrong."""

FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _cron_job(text: str) -> list[str]:
    return [*names.subdomain(text), *(["must be no more than 52 characters"] if len(text) > 52 else [])]


_FORMS: Mapping[str, names.Form] = {
    "/Namespace": names.label,
    "/Service": names.label,
    "apps/StatefulSet": names.label,
    "batch/CronJob": _cron_job,
    "rbac.authorization.k8s.io/Role": names.path_segment,
    "rbac.authorization.k8s.io/ClusterRole": names.path_segment,
    "rbac.authorization.k8s.io/RoleBinding": names.path_segment,
    "rbac.authorization.k8s.io/ClusterRoleBinding": names.path_segment,
}
"""``GROUP/KIND`` → the form of names; all others are subdomains."""

_NAMED_BY_CONTENT = ("apiextensions.k8s.io/CustomResourceDefinition", "apiregistration.k8s.io/APIService")
"""Kinds whose name follows from what they hold, which is checked there."""


def problems(schema: Schema, obj: Object) -> Iterator[Cause]:
    """What is wrong with the metadata of a new object."""
    metadata, path = obj.get("metadata") or {}, "metadata"
    key = f"{schema.group}/{schema.kind}"
    is_last = key in LOOKED_AT_LAST
    check = names.path_segment if is_last else _FORMS.get(key, names.subdomain)
    yield from _name(metadata, check, is_free=key not in _NAMED_BY_CONTENT)
    yield from checks.label_set(metadata.get("labels"), f"{path}.labels")
    yield from checks.annotations(metadata.get("annotations") or {}, f"{path}.annotations")
    yield from _owners(metadata.get("ownerReferences") or (), f"{path}.ownerReferences")
    finalizers = metadata.get("finalizers") or ()
    for finalizer in finalizers:
        for problem in names.qualified(finalizer):
            yield causes.wrong(f"{path}.finalizers", finalizer, problem)
    if schema.group not in _FREE_FINALIZERS and schema.custom is None and not is_last:
        yield from _finalizers(finalizers, f"{path}.finalizers")


def _name(metadata: Object, check: Callable[[str], list[str]], *, is_free: bool) -> Iterator[Cause]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if prefix:
        for problem in check(prefix.rstrip("-") + "a" if prefix.endswith("-") else prefix):
            yield causes.wrong("metadata.generateName", prefix, problem)
    if not name:
        yield causes.required("metadata.name", "name or generateName is required")
    elif is_free:
        for problem in check(name):
            yield causes.wrong("metadata.name", name, problem)


def _owners(owners: Any, path: str) -> Iterator[Cause]:
    controllers = [owner for owner in owners if owner.get("controller")]
    for owner in owners:
        if not owner.get("apiVersion"):
            yield causes.wrong(f"{path}.apiVersion", "", "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield causes.wrong(f"{path}.{field}", "", "must not be empty")
    if len(controllers) > 1:
        one, two = (f"{c['kind']}/{c['name']}" for c in controllers[:2])
        detail = f'Only one reference can have Controller set to true. Found "true" in references for {one} and {two}'
        yield causes.wrong(path, list(owners), detail)


def _finalizers(finalizers: Any, path: str) -> Iterator[Cause]:
    for at, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield causes.wrong(f"{path}[{at}]", finalizer, detail)


def changes(new: Object, old: Object) -> Iterator[Cause]:
    """What an update changed in the metadata and may not; a real server looks twice and says it twice."""
    after, before = new.get("metadata") or {}, old.get("metadata") or {}
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"):
        if after.get(field) != before.get(field) and (after.get(field) or field == "deletionTimestamp"):
            cause = causes.wrong(f"metadata.{field}", after.get(field), causes.IMMUTABLE)
            yield cause
            yield cause
    added = [name for name in after.get("finalizers") or () if name not in (before.get("finalizers") or ())]
    if before.get("deletionTimestamp") and added:
        shown = ", ".join(f'"{name}"' for name in added)
        detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
        cause = causes.forbidden("metadata.finalizers", f"{detail} []string{{{shown}}}")
        yield cause
        yield cause
