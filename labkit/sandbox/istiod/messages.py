"""Resources as Envoy's messages, and their bytes."""

from typing import Any

from google.protobuf import json_format

from labkit.mesh.messages import message_class, pool, pool_of_all

__all__ = ["TYPES", "as_dict", "encoded", "encoded_host", "kind_of", "message_class", "parsed", "pool", "type_url"]

TYPES = {
    "clusters": "envoy.config.cluster.v3.Cluster",
    "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "envoy.config.listener.v3.Listener",
    "extensions": "envoy.config.core.v3.TypedExtensionConfig",
    "routes": "envoy.config.route.v3.RouteConfiguration",
    "secrets": "envoy.extensions.transport_sockets.tls.v3.Secret",
}
"""In the order in which they go out: a route that names a cluster Envoy has not got answers 503 (xDS protocol)."""

PREFIX = "type.googleapis.com/"


def parsed(kind: str, resource: dict[str, Any]) -> Any:
    """A resource as its message; ``json_format.ParseError`` names a field that does not exist."""
    message = message_class(TYPES[kind])()
    try:
        return json_format.ParseDict(resource, message, descriptor_pool=pool())
    except json_format.ParseError:
        # It may name a message that is seldom spoken: those are read when somebody does.
        return json_format.ParseDict(resource, message_class(TYPES[kind])(), descriptor_pool=pool_of_all())


def encoded(kind: str, resource: dict[str, Any]) -> bytes:
    """A resource as it goes over the wire, the same bytes for the same content."""
    data: bytes = parsed(kind, resource).SerializeToString(deterministic=True)
    return data


HOST = "envoy.config.route.v3.VirtualHost"
HOSTS = "virtual_hosts"


def encoded_host(host: dict[str, Any]) -> bytes:
    """A virtual host as a field of a route configuration.

    A message's bytes are those of its fields, one after the other: ``encoded`` of the rest and of every host, joined,
    are the whole.
    """
    number = message_class(TYPES["routes"]).DESCRIPTOR.fields_by_name[HOSTS].number
    message = json_format.ParseDict(host, message_class(HOST)(), descriptor_pool=pool())
    data: bytes = message.SerializeToString(deterministic=True)
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def type_url(kind: str) -> str:
    """``type.googleapis.com/envoy.config.cluster.v3.Cluster``."""
    return PREFIX + TYPES[kind]


def kind_of(url: str) -> str | None:
    """``clusters`` for its type URL."""
    return next((kind for kind, name in TYPES.items() if PREFIX + name == url), None)


def as_dict(message: Any) -> dict[str, Any]:
    """A message as JSON with snake_case names."""
    document: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=pool()
    )
    return document
