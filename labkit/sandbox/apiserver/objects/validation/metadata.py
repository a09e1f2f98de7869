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
    metadata = obj.get("metadata") or {}
    key = f"{schema.group}/{schema.kind}"
    is_last = key in LOOKED_AT_LAST
    check = names.path_segment if is_last else _FORMS.get(key, names.subdomain)
    yield from _name(metadata, check, is_free=key not in _NAMED_BY_CONTENT)
    if key == "batch/Job" and set(metadata.get("labels") or ()) <= _OF_JOBS:
        # A Job without labels has those of its template, when it is read the next time.
        metadata = {name: value for name, value in metadata.items() if name != "labels"}
    yield from form(metadata)
    if schema.group not in _FREE_FINALIZERS and schema.custom is None and not is_last:
        yield from _finalizers(metadata)


_OF_JOBS = frozenset(
    f"{prefix}{name}" for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")
)


def form(metadata: Object) -> Iterator[Cause]:
    """Labels, annotations, owners and finalizers that have no such form."""
    yield from _free(metadata)
    for finalizer in metadata.get("finalizers") or ():
        for problem in names.qualified(finalizer):
            yield causes.wrong("metadata.finalizers", finalizer, problem)


def _free(metadata: Object) -> Iterator[Cause]:
    yield from checks.label_set(metadata.get("labels"), "metadata.labels")
    yield from checks.annotations(metadata.get("annotations") or {}, "metadata.annotations")
    yield from _owners(metadata.get("ownerReferences") or (), "metadata.ownerReferences")


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


def _finalizers(metadata: Object) -> Iterator[Cause]:
    for at, finalizer in enumerate(metadata.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield causes.wrong(f"metadata.finalizers[{at}]", finalizer, detail)


def changes(new: Object, old: Object) -> Iterator[Cause]:
    """What an update changed in the metadata and may not."""
    after, before = new.get("metadata") or {}, old.get("metadata") or {}
    added = [name for name in after.get("finalizers") or () if name not in (before.get("finalizers") or ())]
    if before.get("deletionTimestamp") and added:
        shown = ", ".join(f'"{name}"' for name in added)
        detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
        yield causes.forbidden("metadata.finalizers", f"{detail} []string{{{shown}}}")
    for field in _FIXED:
        if after.get(field) != before.get(field) and (after.get(field) or field.startswith("deletion")):
            yield causes.wrong(f"metadata.{field}", after.get(field), causes.IMMUTABLE)
    yield from _free(after)


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def of_update(schema: Schema, new: Object, old: Object, *, subresource: str | None) -> Iterator[Cause]:
    """What is wrong with the metadata of an update: a real server looks several times, and says it as often."""
    metadata, key = new.get("metadata") or {}, f"{schema.group}/{schema.kind}"
    yield from form(metadata)
    yield from changes(new, old)
    for look in _looks(schema, key, subresource):
        if look in (_CHANGES, _CORE_CHANGES):
            yield from changes(new, old)
        if look in (_FORM, _CORE_FORM):
            yield from form(metadata)
        if look in (_CORE_CHANGES, _CORE_FORM):
            yield from _finalizers(metadata)


def _looks(schema: Schema, key: str, subresource: str | None) -> tuple[str, ...]:
    if schema.custom is not None:
        return (_CHANGES,)
    if subresource:
        return _LOOKS_AT_STATUS.get(key, (_CORE_CHANGES,))
    return _LOOKS.get(key, (_CORE_CHANGES,))


_CHANGES, _FORM, _CORE_CHANGES, _CORE_FORM = "changes", "form", "changes of the core", "form of the core"
"""What the rules of kinds ask of metadata on an update; those of the core know which finalizers there are."""

_BOTH = (_CORE_CHANGES, _CORE_FORM)
_LOOKS: Mapping[str, tuple[str, ...]] = {
    "/Event": (),
    "policy/PodDisruptionBudget": (),
    "coordination.k8s.io/Lease": (_CHANGES,),
    "apiextensions.k8s.io/CustomResourceDefinition": (_CHANGES,),
    "node.k8s.io/RuntimeClass": (_CHANGES, _FORM),
    "apiregistration.k8s.io/APIService": (_CHANGES, _FORM),
    "/PersistentVolume": (_CORE_FORM, _CORE_FORM),
    **dict.fromkeys(
        ("/LimitRange", "discovery.k8s.io/EndpointSlice", "storage.k8s.io/CSINode", "storage.k8s.io/VolumeAttachment"),
        (_CORE_FORM,),
    ),
    **{
        f"admissionregistration.k8s.io/{kind}": (_FORM,)
        for kind in (
            *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
            *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
            *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"),
        )
    },
    **{f"/{kind}": _BOTH for kind in ("Namespace", "Node", "Pod", "ConfigMap", "Secret", "ServiceAccount")},
    **{f"/{kind}": _BOTH for kind in ("PersistentVolumeClaim", "Endpoints")},
    **{f"rbac.authorization.k8s.io/{a}{b}": _BOTH for a in ("", "Cluster") for b in ("Role", "RoleBinding")},
    **{f"networking.k8s.io/{kind}": _BOTH for kind in ("Ingress", "IngressClass")},
    **dict.fromkeys(("batch/Job", "storage.k8s.io/StorageClass", "apps/ControllerRevision"), _BOTH),
}
"""``GROUP/KIND`` → how its rules look at an updated object's metadata, where not by the changes of the core alone."""

_LOOKS_AT_STATUS: Mapping[str, tuple[str, ...]] = {
    "batch/CronJob": (),
    "policy/PodDisruptionBudget": (),
    "apiextensions.k8s.io/CustomResourceDefinition": (_CHANGES,),
}
