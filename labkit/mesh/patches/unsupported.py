"""What an EnvoyFilter asks for and a sandbox does not carry out."""

from collections.abc import Iterator
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh import messages
from labkit.mesh.validation import envoyfilter

BOOTSTRAP = "an Envoy's bootstrap is the sandbox's own"
UNREAD = "Istio reads it nowhere either (istio/istio#51177), so ADD puts the filter last"
REPLACED = ("istio.stats", "istio.metadata_exchange", "istio.alpn", "istio.stackdriver")
"""Filters of Istio's Envoy whose work the sandbox does in another way: their configuration has no reader."""

CHANGES = ("MERGE", "MERGE_AND_REPLACE_LIST", "REPLACE")
WASM = "envoy.extensions.filters.http.wasm.v3.Wasm", "envoy.extensions.filters.network.wasm.v3.Wasm"


def findings(obj: Object) -> Iterator[str]:
    """One sentence for each patch that is not carried out, naming the field."""
    if obj.get("kind") != "EnvoyFilter":
        return
    for number, entry in enumerate((obj.get("spec") or {}).get("configPatches") or []):
        where, patch = f"spec.configPatches[{number}]", (entry or {}).get("patch") or {}
        if (entry or {}).get("applyTo") == "BOOTSTRAP":
            yield f"{where}.applyTo: BOOTSTRAP has no effect: {BOOTSTRAP}"
        if _inner(entry, "match").get("context") == "WAYPOINT" or "waypoint" in _inner(entry, "match"):
            yield f"{where}.match: a patch of waypoints has no effect: no waypoint takes EnvoyFilters here"
        if patch.get("filterClass", "UNSPECIFIED") != "UNSPECIFIED":
            yield f"{where}.patch.filterClass has no effect: {UNREAD}"
        for problem in of_value(patch.get("value")):
            yield f"{where}.patch.value: {problem}, the patch is not sent"
        name = _inner(_inner(_inner(_inner(_inner(entry, "match"), "listener"), "filterChain"), "filter"), "subFilter")
        if patch.get("operation") in CHANGES and name.get("name") in REPLACED:
            place = f"{where}.match.listener.filterChain.filter.subFilter.name"
            yield f"{place}: only Istio's own Envoy has {name['name']}; here a {patch['operation']} of it has no effect"


def of_value(value: Any) -> Iterator[str]:
    """What keeps the value of a patch from being sent."""
    for url in envoyfilter.types_of(value):
        name = url.rpartition("/")[2]
        try:
            messages.descriptor(name)
        except KeyError:
            yield f"{name} is not known here"
        if name in WASM and _fetches(value):
            yield f"{name} with code.remote: no sidecar fetches modules here"


def _fetches(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(_inner(value, "code").get("remote")) or any(map(_fetches, value.values()))
    return isinstance(value, list) and any(map(_fetches, value))


def _inner(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}
