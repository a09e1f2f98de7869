"""Where rules of a VirtualService lead, and with what weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.mesh.validation import headers, names
from labkit.mesh.validation.findings import Finding, error, errors, listed


def weighted(targets: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """The destinations of one rule."""
    total = 0
    for target in targets:
        if target.get("destination") is None:
            yield listed("destination is required")
        yield from headers.changes(target.get("headers"))
        yield from destination(target.get("destination"))
        weight = target.get("weight") or 0
        if weight < 0:
            yield error(f"weight {weight} < 0")
        total += weight
    if len(targets) > 1 and total == 0:
        yield error("total destination weight = 0")


def destination(place: Mapping[str, Any] | None) -> Iterator[Finding]:
    """A host, perhaps with a subset and a port."""
    if place is None:
        return
    host = place.get("host", "")
    yield from errors(f"invalid destination host {host}" if host == "*" else names.wildcard_domain(host))
    if place.get("subset"):
        yield from errors(names.subset(place["subset"]))
    if place.get("port") is not None:
        yield from errors(names.port(place["port"].get("number")))
