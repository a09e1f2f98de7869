"""What the compiler tells a proxy, in the form in which the answers were recorded."""

from labkit.conformance import envoy
from labkit.mesh.compiler import Index
from labkit.mesh.model import Proxy


def dump(index: Index, proxy: Proxy) -> envoy.Resources:
    """All resources as Istio would send them, before they are given addresses that exist on one machine."""
    config = index.config(proxy)
    return {
        "clusters": dict(config.clusters),
        "endpoints": dict(config.endpoints),
        "listeners": dict(config.listeners),
        "routes": dict(config.routes),
        "ecds": dict(config.extensions),
    }
