"""EnvoyFilters: operations that do nothing, or something else after an upgrade."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.analysis.messages import ERROR, WARNING, Message, on
from labkit.mesh.analysis.snapshot import Object, Snapshot

RELATIVE = ("INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "MERGE", "REMOVE")
FILTERS = ("HTTP_FILTER", "NETWORK_FILTER")
ROUTES = ("ROUTE_CONFIGURATION", "HTTP_ROUTE")

_IGNORED = "operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE."
_PLAIN = (
    "This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the EnvoyFilter "
    "not to be applied. Using the INSERT_FIRST of ADD option or setting the priority may help in ensuring the "
    "EnvoyFilter is applied correctly."
)
_VERSIONED = (
    "This EnvoyFilter does not have a priority and has a relative patch operation (NSTERT_BEFORE/AFTER, REPLACE, "
    "MERGE, DELETE) and proxyVersion set which can cause the EnvoyFilter not to be applied during an upgrade. Using "
    "the INSERT_FIRST or ADD option or setting the priority may help in ensuring the EnvoyFilter is applied correctly."
)


def patches(objects: Snapshot) -> Iterator[Message]:
    """IST0151 to IST0155."""
    for obj in objects.of("EnvoyFilter"):
        spec = obj.get("spec") or {}
        for patch in spec.get("configPatches") or []:
            yield from _patch(obj, patch, has_priority=bool(spec.get("priority")))


def _patch(obj: Object, patch: Mapping[str, Any], *, has_priority: bool) -> Iterator[Message]:
    target, operation = patch.get("applyTo", ""), (patch.get("patch") or {}).get("operation", "")
    if operation == "REPLACE" and target not in FILTERS:
        text = "The REPLACE operation is only valid for HTTP_FILTER and NETWORK_FILTER."
        yield on(obj, "IST0152", ERROR, text)
    elif operation in ("ADD", "REMOVE") and target in ROUTES:
        code = "IST0153" if operation == "ADD" else "IST0154"
        yield on(obj, code, ERROR, f"The {operation} {_IGNORED}")
    if operation in RELATIVE and not has_priority:
        is_versioned = ((patch.get("match") or {}).get("proxy") or {}).get("proxyVersion")
        yield on(obj, "IST0155", WARNING, _VERSIONED) if is_versioned else on(obj, "IST0151", WARNING, _PLAIN)
