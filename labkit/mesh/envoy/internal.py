"""Connections from one listener of an Envoy to another, and endpoints behind a tunnel."""

from labkit.mesh.envoy import TYPE
from labkit.mesh.hosts.services import Endpoint
from labkit.mesh.model import Resource

ORIGINATE = "connect_originate"
"""The listener that begins tunnels."""

ORIGINAL_DST = "envoy.filters.listener.original_dst"
"""The metadata of an endpoint that says where its tunnel leads."""

_SOCKETS = f"{TYPE}.extensions.transport_sockets"
RAW: Resource = {"name": "raw_buffer", "typed_config": {"@type": f"{_SOCKETS}.raw_buffer.v3.RawBuffer"}}


def upstream(socket: Resource, *passed: str, name: str = "internal_upstream") -> Resource:
    """To a listener of the same Envoy; metadata of the endpoint under these names goes along."""
    config: Resource = {"@type": f"{_SOCKETS}.internal_upstream.v3.InternalUpstreamTransport"}
    if passed:
        config["passthrough_metadata"] = [{"kind": {"host": {}}, "name": metadata} for metadata in passed]
    return {"name": name, "typed_config": {**config, "transport_socket": socket}}


TO_TUNNEL = upstream(RAW, ORIGINAL_DST, "istio")
"""How endpoints behind a tunnel are called: the listener that begins it is told where it leads."""


def address(endpoint: Endpoint) -> Resource:
    """The address of an endpoint that is reached by a tunnel."""
    own = endpoint.waypoint or joined(endpoint.address, endpoint.port)
    return {"envoy_internal_address": {"server_listener_name": ORIGINATE, "endpoint_id": own}}


def destination(host: str, port: int, waypoint: str = "") -> Resource:
    """Where its tunnel leads, and through which waypoint."""
    return {"local": joined(host, port), **({"waypoint": waypoint} if waypoint else {})}


def joined(host: str, port: int) -> str:
    """``10.0.0.1:80``, ``[2001:db8::1]:80``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
