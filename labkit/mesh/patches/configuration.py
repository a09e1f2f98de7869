"""All patches on one proxy's configuration; what proxies share stays shared, and what no patch means is kept."""

from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from labkit.mesh.memo import Memo
from labkit.mesh.model import Config, Resource
from labkit.mesh.patches import clusters, listeners, matching, routes
from labkit.mesh.patches.envoyfilters import GATEWAY, INBOUND, OUTBOUND, Patches

INBOUND_PASSTHROUGH = "InboundPassthroughCluster"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What patches must know of a proxy."""

    is_gateway: bool
    hosts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Port of a sidecar's pod → hosts of the Services that lead there."""

    tables: Mapping[str, Collection[int]] = field(default_factory=dict)
    """Route table of a gateway → ports that its Gateways name."""

    @property
    def contexts(self) -> tuple[str, ...]:
        """The sides of the proxy."""
        return (GATEWAY,) if self.is_gateway else (OUTBOUND, INBOUND)

    @property
    def ports(self) -> Mapping[int, frozenset[int]]:
        """Port of a route table → ports that Gateways name."""
        ports: dict[int, frozenset[int]] = {}
        for name, numbers in self.tables.items():
            number = matching.gateway_table(name)[0]
            ports[number] = ports.get(number, frozenset()) | frozenset(numbers)
        return ports


Kind = Mapping[str, Resource]
Make = Callable[[Resource], Resource | None]


def patched(config: Config, patches: Patches, target: Target, memo: Memo) -> Config:
    """The configuration with the patches of a proxy."""
    new, extensions = _clusters(config.clusters, patches, target, memo), patches.extensions
    return replace(
        config,
        clusters=new,
        endpoints=_endpoints(config, new, memo),
        listeners=_listeners(config.listeners, patches, target, memo),
        routes=_routes(config.routes, patches, target, memo),
        extensions={**config.extensions, **extensions} if extensions else config.extensions,
    )


def _clusters(before: Kind, patches: Patches, target: Target, memo: Memo) -> Kind:
    if not any(patches.touch(context, clusters.CLUSTER) for context in target.contexts):
        return before

    def one(cluster: Resource) -> Resource | None:
        name = str(cluster.get("name") or "")
        is_inbound = name.startswith("inbound|") or name == INBOUND_PASSTHROUGH
        context = GATEWAY if target.is_gateway else INBOUND if is_inbound else OUTBOUND
        hosts = target.hosts.get(int(name.split("|")[1]), ()) if name.startswith("inbound|") else ()
        return clusters.patched(cluster, patches, context, hosts)

    added = [c for context in target.contexts for c in patches.adding(clusters.CLUSTER, context)]
    return _with(_each(before, patches, memo, one), added)


def _endpoints(config: Config, now: Kind, memo: Memo) -> Kind:
    """Endpoints of clusters that are still there."""
    if now is config.clusters:
        return config.endpoints
    gone = frozenset(name for name in config.endpoints if name in config.clusters and name not in now)
    if not gone:
        return config.endpoints
    key = "left endpoints", id(config.endpoints), gone
    return memo.get(
        key, (config.endpoints,), lambda: {name: e for name, e in config.endpoints.items() if name not in gone}
    )


def _listeners(before: Kind, patches: Patches, target: Target, memo: Memo) -> Kind:
    if not any(patches.touch(context, *listeners.KINDS, *routes.KINDS) for context in target.contexts):
        return before

    def one(listener: Resource) -> Resource | None:
        is_inbound = listener.get("traffic_direction") == "INBOUND"
        context = GATEWAY if target.is_gateway else INBOUND if is_inbound else OUTBOUND
        return listeners.patched(listener, patches, context)

    added = [listener for context in target.contexts for listener in patches.adding("LISTENER", context)]
    return _with(_each(before, patches, memo, one), added)


def _routes(before: Kind, patches: Patches, target: Target, memo: Memo) -> Kind:
    context = GATEWAY if target.is_gateway else OUTBOUND
    if not patches.touch(context, *routes.KINDS):
        return before
    ports = target.ports
    return _each(before, patches, memo, lambda table: routes.patched(table, patches, context, ports))


def _each(before: Kind, patches: Patches, memo: Memo, make: Make) -> Kind:
    """Every resource of a mapping with its patches; mappings that proxies share are patched once for all of them.

    What depends on the proxy itself stands in mappings of its own: inbound clusters, the tables of a gateway.
    """
    if isinstance(before, ChainMap):
        return ChainMap(*(_mutable(_each(layer, patches, memo, make)) for layer in before.maps))
    key = "patched", id(before), id(patches)
    return memo.get(key, (before, patches), lambda: _kept(before, list(_patched(before, make))))


def _patched(before: Kind, make: Make) -> Iterator[Resource]:
    for resource in before.values():
        new = make(resource)
        if new is not None:
            yield new


def _kept(before: Kind, every: Sequence[Resource]) -> Kind:
    is_same = len(every) == len(before) and all(n is o for n, o in zip(every, before.values(), strict=True))
    return before if is_same else {str(resource.get("name") or ""): resource for resource in every}


def _mutable(kind: Kind) -> MutableMapping[str, Resource]:
    return kind if isinstance(kind, dict) else dict(kind)


def _with(kind: Kind, added: Sequence[Resource]) -> Kind:
    """With what comes in; of two of one name the first keeps it."""
    if not added:
        return kind
    more = {str(resource.get("name", "")): resource for resource in reversed(added)}
    layers = kind.maps if isinstance(kind, ChainMap) else [_mutable(kind)]
    return ChainMap(*layers, more)
