"""Patches on the filters of a chain, and on those inside its HTTP connection manager."""

from collections.abc import Sequence

from labkit.mesh.model import Resource
from labkit.mesh.patches import lists, matching, merging, routes
from labkit.mesh.patches.envoyfilters import Patch, Patches
from labkit.mesh.validation import envoyfilter

MANAGER = "envoy.filters.network.http_connection_manager"
INLINE = "route_config"


def patched(listener: Resource, chain: Resource, patches: Patches, context: str) -> Resource:
    """The chain with patched filters."""
    ours = _for_chain("NETWORK_FILTER", listener, chain, patches, context)
    inner = _for_chain("HTTP_FILTER", listener, chain, patches, context)
    if not ours and not inner:
        return chain
    filters: Sequence[Resource] = chain.get("filters") or []
    for patch in ours:
        filters = lists.edited(
            filters,
            patch,
            lambda item, patch=patch: matching.network_filter(item, patch),  # type: ignore[misc]
            names_one=matching.names_network_filter(patch),
        )
    return {**chain, "filters": [_network_filter(item, ours, inner) for item in filters]}


def _for_chain(kind: str, listener: Resource, chain: Resource, patches: Patches, context: str) -> tuple[Patch, ...]:
    return tuple(
        p for p in patches.of(kind, context) if matching.listener(listener, p) and matching.chain(listener, chain, p)
    )


def _network_filter(item: Resource, ours: Sequence[Patch], inner: Sequence[Patch]) -> Resource:
    for patch in ours:
        if patch.is_merge and matching.network_filter(item, patch):
            item = _merged(item, patch)
    return _manager(item, inner) if item.get("name") == MANAGER and "typed_config" in item else item


def _manager(item: Resource, patches: Sequence[Patch]) -> Resource:
    ours = [p for p in patches if matching.network_filter(item, p)]
    if not ours:
        return item
    config = item["typed_config"]
    filters: Sequence[Resource] = config.get("http_filters") or []
    for patch in ours:
        filters = lists.edited(
            filters,
            patch,
            lambda entry, patch=patch: matching.http_filter(entry, patch),  # type: ignore[misc]
            names_one=matching.names_http_filter(patch),
        )
    merges = [p for p in ours if p.is_merge]
    return {**item, "typed_config": {**config, "http_filters": [_http_filter(f, merges) for f in filters]}}


def _http_filter(entry: Resource, merges: Sequence[Patch]) -> Resource:
    for patch in merges:
        if matching.http_filter(entry, patch):
            entry = _merged(entry, patch)
    return entry


def _merged(item: Resource, patch: Patch) -> Resource:
    """A filter with a patch's name and configuration; one that has no configuration of its own is left as it is."""
    if "typed_config" not in item:
        return item
    value = patch.value
    name = value.get("name") or item.get("name", "")
    item = {**item, "name": envoyfilter.RENAMED.get(name, name)}
    if "typed_config" in value:
        own = item["typed_config"]
        config = merging.read_as(value["typed_config"], merging.type_of(own))
        item["typed_config"] = merging.merged_any(own, config)
    return item


def with_table(item: Resource, patches: Patches, context: str) -> Resource:
    """A connection manager with its own route table patched."""
    table = (item.get("typed_config") or {}).get(INLINE) if item.get("name") == MANAGER else None
    if not table:
        return item
    patched_table = routes.patched(table, patches, context)
    return item if patched_table is table else {**item, "typed_config": {**item["typed_config"], INLINE: patched_table}}
