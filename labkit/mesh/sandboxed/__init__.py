"""From Istio's configuration of an Envoy to the one that runs here: addresses, sockets, the PROXY filter. Nothing else.

A kernel redirects a pod's connections to its Envoy; here the caller says in a PROXY protocol header where it wanted to
go, on a Unix socket of the pod's private folder. Istio's listeners, routes, chains and clusters stay as they are.
"""

from dataclasses import replace

from labkit.mesh.captured_ports import Ports
from labkit.mesh.memo import Memo
from labkit.mesh.model import Config
from labkit.mesh.place import Place, node_ports
from labkit.mesh.sandboxed import clusters, decisions, listeners

__all__ = ["Place", "Ports", "node_ports", "placed"]


def placed(config: Config, place: Place, memo: Memo | None = None) -> Config:
    """The configuration with addresses that exist here; what needs no other address is the very same object.

    A memo keeps what several proxies share the very same object for all of them, too.
    """
    memo = Memo() if memo is None else memo
    config = decisions.discovered(config, memo)
    return replace(
        config,
        clusters=clusters.placed(config.clusters, config.endpoints, place, memo),
        endpoints=clusters.placed_endpoints(config.endpoints, place, memo),
        listeners=listeners.placed(config.listeners, place, memo),
    )
