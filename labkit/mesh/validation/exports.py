"""``exportTo``: to which namespaces an object is visible."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation import names
from labkit.mesh.validation.findings import Finding, error

PRIVATE, PUBLIC, NOBODY = ".", "*", "~"


def findings(spec: Mapping[str, Any], namespace: str, *, of_one_workload: bool = False) -> Iterator[Finding]:
    """What Istio says of ``exportTo``; ``of_one_workload``: a DestinationRule with a workload selector."""
    entries = spec.get("exportTo") or []
    seen: set[str] = set()
    for entry in entries:
        key = namespace if entry == PRIVATE else entry
        if key in seen:
            same = f". and current namespace {namespace}"
            yield error(f"duplicate entries in exportTo: {same}" if key != entry else _repeated(entry))
        elif key in (PUBLIC, NOBODY) or names.is_label(key):
            seen.add(key)
        else:
            yield error("only .,*, or a valid DNS 1123 label is allowed as exportTo entry")
    if of_one_workload and seen:
        if namespace not in seen:
            yield error("destination rule with workload selector cannot have exportTo beyond current namespace")
        elif len(seen) > 1:
            yield error("destination rule with workload selector cannot have multiple entries in exportTo")
    if PUBLIC in seen and len(entries) > 1:
        yield error("cannot have both public (*) and non-public exportTo values for a resource")
    if NOBODY in seen and len(entries) > 1:
        yield error("cannot export service entry to no one (~) and someone")


def _repeated(entry: str) -> str:
    return f"duplicate entries in exportTo for entry {entry}"
