"""Patches on a listener, its filter chains, and the filters of each."""

from labkit.mesh.model import Resource
from labkit.mesh.patches import clusters, filters, lists, matching, merging, routes
from labkit.mesh.patches.envoyfilters import Patches

KINDS = ("LISTENER", "LISTENER_FILTER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")
MESSAGE, CHAIN = "envoy.config.listener.v3.Listener", "envoy.config.listener.v3.FilterChain"


def patched(listener: Resource, patches: Patches, context: str) -> Resource | None:
    """The listener with its patches; None where it is removed."""
    if patches.touch(context, *routes.KINDS):
        listener = _with_tables(listener, patches, context)
    for patch in patches.of("LISTENER", context):
        if not matching.listener(listener, patch):
            continue
        if patch.operation == "REMOVE":
            return None
        if patch.operation == "MERGE":
            listener = merging.merged(MESSAGE, listener, patch.value)
    listener = _with_listener_filters(listener, patches, context)
    return _with_chains(listener, patches, context)


def _with_tables(listener: Resource, patches: Patches, context: str) -> Resource:
    """Route tables inside a listener were patched before it was."""

    def inline(chain: Resource) -> Resource:
        entries = [filters.with_table(f, patches, context) for f in chain.get("filters") or ()]
        is_same = all(new is old for new, old in zip(entries, chain.get("filters") or (), strict=True))
        return chain if is_same else {**chain, "filters": entries}

    before = listener.get("filter_chains") or []
    chains = [inline(chain) for chain in before]
    if all(new is old for new, old in zip(chains, before, strict=True)):
        return listener
    return {**listener, "filter_chains": chains}


def _with_listener_filters(listener: Resource, patches: Patches, context: str) -> Resource:
    for patch in patches.of("LISTENER_FILTER", context):
        if matching.listener(listener, patch):
            items = lists.edited(
                listener.get("listener_filters") or [],
                patch,
                lambda item, patch=patch: matching.listener_filter(item, patch),  # type: ignore[misc]
                names_one=matching.names_listener_filter(patch),
            )
            listener = {**listener, "listener_filters": list(items)}
    return listener


def _with_chains(listener: Resource, patches: Patches, context: str) -> Resource:
    if not patches.touch(context, "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER"):
        return listener
    chains = [_chain(listener, chain, patches, context) for chain in listener.get("filter_chains") or ()]
    added = [
        p.value for p in patches.of("FILTER_CHAIN", context) if p.operation == "ADD" and matching.listener(listener, p)
    ]
    result = {**listener, "filter_chains": [*(chain for chain in chains if chain is not None), *added]}
    if "default_filter_chain" in listener:
        default = _chain(listener, result.pop("default_filter_chain"), patches, context)
        result |= {"default_filter_chain": default} if default is not None else {}
    return result


def _chain(listener: Resource, chain: Resource, patches: Patches, context: str) -> Resource | None:
    for patch in patches.of("FILTER_CHAIN", context):
        if not matching.listener(listener, patch) or not matching.chain(listener, chain, patch):
            continue
        if patch.operation == "REMOVE":
            return None
        if patch.operation == "MERGE":
            chain = _merged(chain, patch.value)
    return filters.patched(listener, chain, patches, context)


def _merged(chain: Resource, value: Resource) -> Resource:
    """A transport socket is merged into one of the same name, and then nothing else is (listener_patch.go)."""
    if "transport_socket" not in value:
        return merging.merged(CHAIN, chain, value)
    own = chain.get("transport_socket")
    if own is None:
        return chain
    if own.get("name") != value["transport_socket"].get("name"):
        return merging.merged(CHAIN, chain, value)
    return {**chain, "transport_socket": clusters.merged_socket(own, value["transport_socket"])}
