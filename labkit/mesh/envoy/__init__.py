"""From the intermediate form to Envoy's resources, and the pieces that several of them use."""

from typing import Any

from labkit.mesh.model import Resource

TYPE = "type.googleapis.com/envoy"
ADS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def typed(name: str, type_url: str, **fields: Any) -> Resource:
    """An extension: its name, its type and its fields."""
    return {"name": name, "typed_config": {"@type": f"{TYPE}.{type_url}", **fields}}


def address(ip: str, port: int) -> Resource:
    """A socket address."""
    return {"socket_address": {"address": ip, "port_value": port}}


RAW_BUFFER = typed("envoy.transport_sockets.raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer")
DNS_CACHE: Resource = {
    "name": "outside",
    "dns_lookup_family": "V4_ONLY",
    # Whoever mistypes a name shall not wait for the default of five seconds.
    "dns_query_timeout": "2s",
}


def rds(name: str) -> Resource:
    """A route configuration fetched by name."""
    return {"config_source": ADS, "route_config_name": name}
