"""Sidecars and gateways that send by HBONE: the listener and the cluster that begin their tunnels."""

from dataclasses import replace

from labkit.mesh.envoy import waypoints
from labkit.mesh.model import Config, Proxy

ENABLED = "true"


def sends_hbone(proxy: Proxy) -> bool:
    """Whether a proxy reaches ambient's pods by tunnels: waypoints, and those whose metadata has ``ENABLE_HBONE``."""
    return proxy.role == "waypoint" or str(proxy.metadata.get("ENABLE_HBONE", "")).lower() == ENABLED


def with_tunnels(config: Config, proxy: Proxy, trust_domains: tuple[str, ...]) -> Config:
    """The configuration of a proxy that sends by HBONE and is no waypoint; of any other the very same object."""
    if proxy.role == "waypoint" or not sends_hbone(proxy):
        return config
    listener, cluster = waypoints.originator(), waypoints.originating(trust_domains, (), key="waypoint")
    return replace(
        config,
        listeners={**config.listeners, listener["name"]: listener},
        clusters={**config.clusters, cluster["name"]: cluster},
    )
