"""Listeners: where they really listen."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from labkit.mesh import place as places
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.place import Place
from labkit.mesh.sandboxed import istios_filters, secrets

OUTBOUND, INBOUND = "virtualOutbound", "virtualInbound"
INBOUND_PORT = 15006
ORIGINAL_DST = "envoy.filters.listener.original_dst"
OWNER_ONLY = 0o600

PROXY_PROTOCOL: Resource = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    },
}

# Envoy matches a range of destination ports with every address that has no port (Envoy's source,
# ListenerFilterDstPortMatcher): port 0 is no TCP connection's, so this range holds for Unix sockets alone.
_UNIX_SOCKET: Resource = {"destination_port_range": {"start": 0, "end": 1}}

PROXY_PROTOCOL_ON_SOCKET: Resource = {**PROXY_PROTOCOL, "filter_disabled": {"not_match": _UNIX_SOCKET}}
"""Whoever connects by TCP must not be able to say who he is."""


def placed(listeners: Mapping[str, Resource], place: Place, memo: Memo) -> Mapping[str, Resource]:
    """Every listener at an address of this pod; those that only other listeners hand connections to stay."""
    if isinstance(listeners, ChainMap):
        return ChainMap(*(cast("dict[str, Resource]", placed(m, place, memo)) for m in listeners.maps))
    place = memo.alike(("place", place.ip), place, lambda: place)
    loadable = memo.get(("loadable", id(listeners)), (listeners,), lambda: _loadable(listeners))
    return memo.get(("placed", id(listeners), place.ip), (loadable, place), lambda: _all(loadable, place))


def _loadable(listeners: Mapping[str, Resource]) -> Mapping[str, Resource]:
    """Listeners of which upstream Envoy has all filters, and whose certificates come on the stream."""
    return {name: istios_filters.replaced(secrets.by_stream(listener)) for name, listener in listeners.items()}


def _all(listeners: Mapping[str, Resource], place: Place) -> Mapping[str, Resource]:
    every = {name: _placed(listener, place) for name, listener in listeners.items()}
    return listeners if all(every[name] is listener for name, listener in listeners.items()) else every


def _placed(listener: Resource, place: Place) -> Resource:
    if listener.get("bind_to_port") is False:
        return listener
    if listener.get("name") == OUTBOUND:
        filters = [PROXY_PROTOCOL, *_other_filters(listener)]
        return {**listener, "address": _socket(places.OUTBOUND), "listener_filters": filters}
    if listener.get("name") == INBOUND:
        return _inbound(listener, place)
    return _bound(listener, place)


def _inbound(listener: Resource, place: Place) -> Resource:
    ports = {port for port in {*place.ports, *_ports_of_chains(listener)} if port in place.captured}
    addresses = [_address(place.ip, port) for port in sorted(ports - {INBOUND_PORT})]
    return {
        **listener,
        **_at([_address(place.ip, INBOUND_PORT), *addresses, _socket(places.INBOUND)]),
        "listener_filters": [PROXY_PROTOCOL_ON_SOCKET, *_other_filters(listener)],
    }


def _other_filters(listener: Resource) -> Iterator[Resource]:
    return (f for f in listener.get("listener_filters") or [] if f.get("name") != ORIGINAL_DST)


def _ports_of_chains(listener: Resource) -> Iterator[int]:
    for chain in listener.get("filter_chains") or []:
        if port := (chain.get("filter_chain_match") or {}).get("destination_port"):
            yield int(port)


def _bound(listener: Resource, place: Place) -> Resource:
    """A listener that really listens: a gateway's, or one of a Sidecar without capture."""
    socket = (listener.get("address") or {}).get("socket_address")
    if not socket:
        return listener
    port, address = int(socket["port_value"]), socket["address"]
    own = _socket(places.app_socket(port))
    if address.startswith("127.0.0.") or address == "::1":
        return {**listener, **_at([own])}
    nodes = place.node_ports.get(port, ()) if place.node_ip else ()
    at = [_address(place.ip, port), *(_address(place.node_ip, number) for number in nodes), own]
    return {**listener, **_at(at)}


def _at(addresses: Iterable[Resource]) -> Resource:
    first, *others = addresses
    return {"address": first, **({"additional_addresses": [{"address": a} for a in others]} if others else {})}


def _address(ip: str, port: int) -> Resource:
    return {"socket_address": {"address": ip, "port_value": port}}


def _socket(path: str) -> dict[str, Any]:
    return {"pipe": {"path": path, "mode": OWNER_ONLY}}
