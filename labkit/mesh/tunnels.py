"""Sidecars and gateways that send by HBONE: the listener and the cluster that begin their tunnels."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from labkit.mesh import ir
from labkit.mesh.envoy import waypoints
from labkit.mesh.memo import Memo
from labkit.mesh.model import Config, Proxy, Resource

ENABLED = "true"


def sends_hbone(proxy: Proxy) -> bool:
    """Whether a proxy reaches ambient's pods by tunnels: waypoints, and those whose metadata has ``ENABLE_HBONE``."""
    return proxy.role == "waypoint" or str(proxy.metadata.get("ENABLE_HBONE", "")).lower() == ENABLED


def with_tunnels(config: Config, proxy: Proxy, trust_domains: tuple[str, ...], memo: Memo) -> Config:
    """The configuration of a proxy that sends by HBONE and is no waypoint; of any other the very same object."""
    if proxy.role == "waypoint" or not sends_hbone(proxy):
        return config
    listeners = memo.alike("tunnels' listener", (), lambda: _named(waypoints.originator()))
    clusters = memo.alike(
        "tunnels' cluster", trust_domains, lambda: _named(waypoints.originating(trust_domains, (), key="waypoint"))
    )
    return replace(config, listeners=_beside(config.listeners, listeners), clusters=_beside(config.clusters, clusters))


def taken_apart(inbound: ir.Listener, trust_domains: tuple[str, ...]) -> list[Resource]:
    """The listeners of a sidecar that takes tunnels too: where they end, and where their connections go on."""
    return [waypoints.terminating(trust_domains), waypoints.of_sidecar(inbound)]


def _named(resource: Resource) -> dict[str, Resource]:
    return {str(resource["name"]): resource}


def _beside(layers: Mapping[str, Resource], own: dict[str, Resource]) -> Mapping[str, Resource]:
    """One more layer, the last: the first ones stay the very same objects, which several proxies share."""
    first = layers.maps if isinstance(layers, ChainMap) else [cast("dict[str, Resource]", layers)]
    return ChainMap(*first, own)
