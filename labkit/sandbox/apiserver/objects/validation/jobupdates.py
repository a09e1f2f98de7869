"""Updates of Jobs: what pods are made of stays; where they run may change until a suspended Job begins."""

from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, gonames, poddiff
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_PLACING = ("nodeSelector", "tolerations", "affinity", "schedulingGates")


def problems(new: Object, old: Object) -> Iterator[Cause]:
    """What an update changed and may not."""
    after, before = new["spec"], old["spec"]
    yield from _completions(after, before)
    yield from _fixed("selector", after, before)
    yield from _template(new, old)
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        yield from _fixed(field, after, before)


def _completions(after: Object, before: Object) -> Iterator[Cause]:
    """Those of an indexed Job follow its parallelism."""
    count = after.get("completions")
    if after.get("completionMode") != "Indexed" or count is None or before.get("completions") is None:
        yield from _fixed("completions", after, before)
    elif count != before["completions"] and count != after.get("parallelism"):
        yield causes.wrong("spec.completions", count, "can only be modified in tandem with spec.parallelism")


def _fixed(field: str, after: Object, before: Object) -> Iterator[Cause]:
    value, struct = after.get(field), _STRUCTS.get(field)
    if value != before.get(field):
        shown = gonames.internal(struct, value) if struct and value else value
        yield causes.wrong(f"spec.{field}", shown, causes.IMMUTABLE)


_STRUCTS = {"podFailurePolicy": "PodFailurePolicy", "successPolicy": "SuccessPolicy"}


def _template(new: Object, old: Object) -> Iterator[Cause]:
    after, before = new["spec"].get("template") or {}, old["spec"].get("template") or {}
    if old["spec"].get("suspend") and not (old.get("status") or {}).get("startTime"):
        spec, was = after.get("spec") or {}, before.get("spec") or {}
        if _movable(spec) != _movable(was):
            yield causes.wrong("spec.template.spec", poddiff.internal_pod(spec), causes.IMMUTABLE)
    elif after != before:
        metadata = {key: value for key, value in (after.get("metadata") or {}).items() if value}
        shown = metadata | {"Spec": poddiff.internal_pod(after.get("spec") or {})}
        yield causes.wrong("spec.template", shown, causes.IMMUTABLE)


def _movable(spec: Object) -> Object:
    rest = {key: value for key, value in spec.items() if key not in _PLACING}
    for group in ("initContainers", "containers"):
        if rest.get(group):
            rest[group] = [{key: value for key, value in c.items() if key != "resources"} for c in rest[group]]
    return rest
