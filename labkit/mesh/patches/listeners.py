"""Patches on a listener, its filter chains, and the filters of each."""

from labkit.mesh.model import Resource
from labkit.mesh.patches import clusters, filters, lists, matching, merging, routes
from labkit.mesh.patches.envoyfilters import Patch, Patches

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
        if patch.is_merge:
            listener = merging.merged(MESSAGE, listener, patch.value, replaces_lists=patch.replaces_lists)
    listener = _with_listener_filters(listener, patches, context)
    return _without_empty_chains(_with_chains(listener, patches, context))


def _without_empty_chains(listener: Resource) -> Resource:
    """Without chains that no filter was ever in, which Istio drops from a listener that it patches."""
    chains = listener.get("filter_chains") or ()
    kept = [chain for chain in chains if "filters" in chain]
    return listener if len(kept) == len(chains) else {**listener, "filter_chains": kept}


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
        if matching.listener(listener, patch) and patch.is_merge:
            listener = _with_merged_filters(listener, patch)
        elif matching.listener(listener, patch):
            items = lists.edited(
                listener.get("listener_filters") or [],
                patch,
                lambda item, patch=patch: matching.listener_filter(item, patch),  # type: ignore[misc]
                names_one=matching.names_listener_filter(patch),
            )
            listener = {**listener, "listener_filters": list(items)}
    return listener


def _with_merged_filters(listener: Resource, patch: Patch) -> Resource:
    """A merge that names a filter goes into every one whose configuration is of its type (listener_patch.go)."""
    config = patch.value.get("typed_config")
    if not matching.names_listener_filter(patch) or config is None:
        return listener
    items = [
        {**item, "typed_config": merging.merged_any(item["typed_config"], config)} if "typed_config" in item else item
        for item in listener.get("listener_filters") or ()
    ]
    return {**listener, "listener_filters": items}


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
        if patch.is_merge:
            chain = _merged(chain, patch)
    return filters.patched(listener, chain, patches, context)


def _merged(chain: Resource, patch: Patch) -> Resource:
    """A transport socket is merged into one of the same name, and then nothing else is (listener_patch.go)."""
    own, socket = chain.get("transport_socket"), patch.value.get("transport_socket")
    if own is None or socket is None or own.get("name") != socket.get("name"):
        return merging.merged(CHAIN, chain, patch.value, replaces_lists=patch.replaces_lists)
    return {**chain, "transport_socket": clusters.merged_socket(own, socket)}
