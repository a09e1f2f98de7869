"""The configuration of a running Envoy, as its admin dumps it, in the words of the recordings."""

import json
import re
from collections.abc import Mapping
from typing import Any

from labkit.conformance.envoy import Resources
from labkit.conformance.envoy.values import Json

_SENT = {
    "dynamic_active_clusters": ("clusters", "cluster"),
    "dynamic_listeners": ("listeners", "active_state"),
    "dynamic_route_configs": ("routes", "route_config"),
    "dynamic_endpoint_configs": ("endpoints", "endpoint_config"),
    "ecds_filters": ("ecds", "ecds_filter"),
}
"""Part of a dump → kind, and where the resource stands in an entry. What is static comes from the bootstrap."""

_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_PORT = re.compile(r'("port_value":\s*)(\d+)\b')
_ALLOCATED, _ALLOCATED_V6 = "240.240.", re.compile(r"2001:2:(?:[0-9a-f]*:)+[0-9a-f]*")
_BY_DESTINATION = ("PassthroughCluster", "InboundPassthroughCluster")


def resources(text: str, names: Mapping[str, str]) -> Resources:
    """What istiod sent to an Envoy; ``names``: address or port → what the recordings have: ``POD(reviews-v1)``."""
    text = _PORT.sub(lambda match: match[1] + names.get(match[2], match[2]), text)
    dump = json.loads(_ALLOCATED_V6.sub("AutoIPv6", _ADDRESS.sub(lambda match: _named(match[0], names), text)))
    kinds: Resources = {}
    for part in dump.get("configs", ()):
        for field, (kind, inner) in _SENT.items():
            for entry in part.get(field, ()):
                body = entry.get(inner) or {}
                body = body.get("listener", body) if kind == "listeners" else body
                if name := body.get("cluster_name") or body.get("name"):
                    kinds.setdefault(kind, {})[name] = _as_sent(kind, name, body)
    # Envoy dumps the addresses of every cluster as endpoints, those of clusters that have their own as well.
    clusters, endpoints = kinds.get("clusters", {}), kinds.get("endpoints", {})
    by_eds = {name: body for name, body in endpoints.items() if clusters.get(name, {}).get("type") == "EDS"}
    return {**kinds, "endpoints": by_eds}


def _named(address: str, names: Mapping[str, str]) -> str:
    return "AutoIPv4" if address.startswith(_ALLOCATED) else names.get(address, address)


def _as_sent(kind: str, name: str, body: Json) -> Json:
    """A cluster for any destination goes by a socket of the sandbox, which is told the destination as the kernel is."""
    pipe: Any = body.get("load_assignment", {}).get("endpoints", [{}])[0].get("lb_endpoints", [{}])[0]
    is_socket = "pipe" in pipe.get("endpoint", {}).get("address", {})
    return {**body, "type": "ORIGINAL_DST"} if kind == "clusters" and name in _BY_DESTINATION and is_socket else body
