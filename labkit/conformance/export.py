"""What our translator tells a proxy, in the form in which the answers were recorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from labkit.mesh.compiler import Index
from labkit.mesh.envoy import accesslogs as logging
from labkit.mesh.envoy import listeners, routes
from labkit.mesh.model import Config, Proxy, Resource
from labkit.mesh.policies import access_logs

Dump = dict[str, dict[str, Any]]
"""Kind → name → resource."""


def dump(index: Index, proxy: Proxy) -> Dump:
    """All resources; of a sidecar, listeners and route configurations by port as Istio has them."""
    config = index.for_proxy(proxy)
    clusters, endpoints = index.view(proxy).reach.captured()
    config = replace(config, clusters=clusters, endpoints=endpoints)
    if proxy.role == "router":
        return _of(config, listeners=config.listeners, tables=config.routes)
    found = index.view(proxy).outbound
    allows = index.view(proxy).scope.allows_unknown
    kept = {name: x for name, x in config.listeners.items() if name != listeners.HTTP_PROXY}
    # Of a headless Service every endpoint has a listener, only not in its own sidecar.
    by_port = [listeners.outbound(x) for x in index.view(proxy).listeners if x.address != proxy.ip]
    logs = access_logs.of(index.snapshot, proxy, config.clusters).outbound
    kept |= {x["name"]: logging.listener(x, logs) for x in by_port}
    tables = {
        t.name: routes.table(t, unknown=_unknown(allows) if t.allows_unknown is not None else ()) for t in found.tables
    }
    return _of(config, listeners=kept, tables=tables)


def _of(config: Config, *, listeners: Mapping[str, Resource], tables: Mapping[str, Resource]) -> Dump:
    return {
        "clusters": dict(config.clusters),
        "endpoints": dict(config.endpoints),
        "listeners": dict(listeners),
        "routes": dict(tables),
        "ecds": dict(config.extensions),
    }


def _unknown(allows: bool) -> list[Resource]:
    if allows:
        way: Resource = {"route": {"cluster": "PassthroughCluster", "timeout": "0s"}}
    else:
        way = {"direct_response": {"status": 502}}
    name = "allow_any" if allows else "block_all"
    return [{"name": name, "domains": ["*"], "routes": [{"name": name, "match": {"prefix": "/"}, **way}]}]
