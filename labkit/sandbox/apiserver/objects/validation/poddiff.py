"""Updates of pods and claims: nearly all of them is fixed, and the refusal shows the difference."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, gonames
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_POD = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def pod(new: Object, old: Object) -> Iterator[Cause]:
    """A pod's images, deadline and more tolerations may change."""
    after, before = new["spec"], old["spec"]
    for group in ("containers", "initContainers"):
        if len(after.get(group) or ()) != len(before.get(group) or ()):
            yield causes.forbidden(f"spec.{group}", "pod updates may not add or remove containers")
            return
    if any(not any(_tolerates_as(one, was) for one in after.get("tolerations") or ()) for was in _tolerations(before)):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield causes.forbidden("spec.tolerations", detail)
    gates = [gate.get("name") for gate in before.get("schedulingGates") or ()]
    for at, gate in enumerate(after.get("schedulingGates") or ()):
        if gate.get("name") not in gates:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield causes.forbidden(f"spec.schedulingGates[{at}].name", detail)
    allowed = dict(after)
    for group in ("containers", "initContainers"):
        if after.get(group):
            allowed[group] = [
                {**one, "image": was.get("image", "")} for one, was in zip(after[group], before[group], strict=True)
            ]
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        if before.get(field) is None:
            allowed.pop(field, None)
        else:
            allowed[field] = before[field]
    if allowed != before:
        yield causes.forbidden("spec", f"{_POD}\n{difference(internal_pod(before), internal_pod(allowed))}")


def _tolerations(spec: Object) -> list[Object]:
    return spec.get("tolerations") or []


def _tolerates_as(one: Object, was: Object) -> bool:
    return all(one.get(key) == was.get(key) for key in ("key", "operator", "value", "effect"))


def claim(new: Object, old: Object) -> Iterator[Cause]:
    """A claim's volume and a class that it lacks may be set, and its size may grow."""
    before, after = old["spec"], dict(new["spec"])
    if before.get("storageClassName") is None:
        after.pop("storageClassName", None)
    storage = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    asked = ((after.get("resources") or {}).get("requests") or {}).get("storage")
    free = ["volumeName", "volumeAttributesClassName"]
    if (old.get("status") or {}).get("phase") == "Bound" and (after.get("resources") or {}).get("requests") is not None:
        requests = {**after["resources"]["requests"], "storage": storage}
        after["resources"] = {**after["resources"], "requests": requests}
    for field in free:
        if field in before:
            after[field] = before[field]
        else:
            after.pop(field, None)
    if after != before:
        shown = [gonames.internal("PersistentVolumeClaimSpec", spec) for spec in (before, after)]
        yield causes.forbidden("spec", f"{_CLAIM}\n{difference(*shown)}")
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage") or "0"
    sizes = [quantities.parse(text).value for text in (asked or "0", storage or "0", capacity)]
    if sizes[0] < sizes[1] and sizes[0] <= sizes[2]:
        yield causes.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def difference(before: Any, after: Any) -> str:
    """What differs of two values, as lines of their JSON."""
    one, two = (json.dumps(value, indent=1, ensure_ascii=False).split("\n") for value in (before, after))
    lines = list(difflib.unified_diff(one, two, lineterm=""))[2:]
    return "".join(f"{line}\n" for line in lines)


def internal_pod(spec: Object) -> dict[str, Any]:
    """A pod's spec as the server holds it: what concerns the host is part of the security context."""
    internal = gonames.internal("PodSpec", spec)
    internal.pop("DeprecatedServiceAccount", None)
    internal.pop("ServiceAccount", None)
    host = {gonames.capitalised(name): internal.pop(gonames.capitalised(name), None) for name in _HOST}
    internal["SecurityContext"] = host | (internal["SecurityContext"] or {})
    return internal
