"""Which listener and which filter chain of an Envoy take a connection, by Envoy's own rules.

A sidecar is handed a captured connection by its original destination: the listener of that very address and port, then
the one of the port on every address, then ``virtualOutbound``. A gateway listens on its ports itself.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh.model import Config, Resource

CAPTURED = "virtualOutbound"
HTTP_PORT, HTTPS_PORT = 80, 443
EVERYWHERE = ("0.0.0.0", "::")
PLAIN_PROTOCOLS = ("http/1.1",)
"""What Envoy's HTTP inspector reports of a plain HTTP/1.1 request."""

TLS_PROTOCOLS = ("h2", "http/1.1")
"""ALPN of a client that speaks HTTP over TLS, such as curl."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A TCP connection to an Envoy."""

    port: int | None = None
    """Of the destination; None takes the first listener that has routes."""

    address: str = ""
    """Of the destination; empty where nobody knows, and then ``host`` tells."""

    host: str = ""
    """The name that the client has asked for, without a port."""

    is_tls: bool = False

    @property
    def server_name(self) -> str:
        """The SNI of a TLS connection."""
        return self.host.lower() if self.is_tls and not _is_address(self.host) else ""

    @property
    def protocols(self) -> Sequence[str]:
        """What an inspector sees as the application's protocols."""
        return TLS_PROTOCOLS if self.is_tls else PLAIN_PROTOCOLS


def is_sidecar(config: Config) -> bool:
    """Whether connections are captured, and not addressed to this Envoy."""
    return CAPTURED in config.listeners


def listener(config: Config, connection: Connection) -> tuple[str, Resource] | None:
    """Name and listener; None where a gateway does not listen on the port."""
    outbound = [pair for pair in config.listeners.items() if pair[1].get("traffic_direction") != "INBOUND"]
    at_port = [pair for pair in outbound if _port(pair[1]) == connection.port or connection.port is None]
    if not is_sidecar(config):
        return next((pair for pair in at_port if _has_routes(pair[1])), next(iter(at_port), None))
    at_port = [pair for pair in at_port if pair[0] != CAPTURED]
    exact = [pair for pair in at_port if _is_for(pair[1], connection)]
    wild = [pair for pair in at_port if _address(pair[1]) in EVERYWHERE]
    return next(iter((*exact, *wild)), (CAPTURED, config.listeners[CAPTURED]))


def chain(listener: Resource, connection: Connection) -> Resource | None:
    """The filter chain of a listener, narrowed down criterion by criterion; None where the connection is closed."""
    chains: list[Resource] = list(listener.get("filter_chains") or ())
    for criterion in _CRITERIA:
        ranked = [(rank, c) for c in chains if (rank := criterion(c.get("filter_chain_match") or {}, connection)) >= 0]
        best = max((rank for rank, _ in ranked), default=0)
        chains = [c for rank, c in ranked if rank == best]
    return next(iter(chains), listener.get("default_filter_chain"))


def filters(chain: Resource) -> Iterator[Resource]:
    """The configurations of its network filters, in order."""
    for part in chain.get("filters") or ():
        yield part.get("typed_config") or {}


def is_manager(typed: Mapping[str, Any]) -> bool:
    """Whether a network filter reads HTTP."""
    return str(typed.get("@type", "")).endswith("HttpConnectionManager")


def _of_port(match: Resource, connection: Connection) -> int:
    if "destination_port" not in match:
        return 0
    return 1 if match["destination_port"] == connection.port else -1


def _of_address(match: Resource, connection: Connection) -> int:
    ranges = match.get("prefix_ranges")
    if not ranges:
        return 0
    lengths = [_length(r) for r in ranges if _is_address(connection.address) and _contains(r, connection.address)]
    return 1 + max(lengths) if lengths else -1


def _of_server_name(match: Resource, connection: Connection) -> int:
    names = match.get("server_names")
    if not names:
        return 0
    return max((_name_rank(name.lower(), connection.server_name) for name in names), default=-1)


def _name_rank(pattern: str, name: str) -> int:
    if not name:
        return -1
    if pattern.startswith("*."):
        return len(pattern) if name.endswith(pattern[1:]) else -1
    return 10_000 if pattern == name else -1


def _of_transport(match: Resource, connection: Connection) -> int:
    asked = match.get("transport_protocol")
    if not asked:
        return 0
    return 1 if asked == ("tls" if connection.is_tls else "raw_buffer") else -1


def _of_protocols(match: Resource, connection: Connection) -> int:
    asked = match.get("application_protocols")
    if not asked:
        return 0
    return 1 if set(asked) & set(connection.protocols) else -1


_CRITERIA: tuple[Callable[[Resource, Connection], int], ...] = (
    # The order is Envoy's (FilterChainMatch, config/listener/v3/listener_components.proto): -1 does not match, 0 asks
    # for nothing, and of those that match the most specific stay.
    _of_port,
    _of_address,
    _of_server_name,
    _of_transport,
    _of_protocols,
)


def _is_for(listener: Resource, connection: Connection) -> bool:
    """Whether a listener has the very address, or where that is not known, the host's name in what it leads to."""
    address = _address(listener)
    if address in EVERYWHERE:
        return False
    if connection.address:
        return address == connection.address
    hosts = (name for name in _hosts(listener) if name)
    return bool(connection.host) and any(h == connection.host or h.startswith(f"{connection.host}.") for h in hosts)


def _hosts(listener: Resource) -> Iterable[str]:
    """The hosts in names of its routes and clusters: ``web.default.svc.cluster.local:8080``, ``outbound|80||web…``."""
    for part in listener.get("filter_chains") or ():
        for typed in filters(part):
            yield (typed.get("rds") or {}).get("route_config_name", "").rpartition(":")[0]
            yield str(typed.get("cluster", "")).rpartition("|")[2]


def _has_routes(listener: Resource) -> bool:
    return any(is_manager(typed) for part in listener.get("filter_chains") or () for typed in filters(part))


def _socket(listener: Resource) -> Resource:
    return (listener.get("address") or {}).get("socket_address") or {}


def _port(listener: Resource) -> int | None:
    return _socket(listener).get("port_value")


def _address(listener: Resource) -> str:
    return str(_socket(listener).get("address", ""))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _length(prefix_range: Resource) -> int:
    return int(prefix_range.get("prefix_len", 0))


def _contains(prefix_range: Resource, address: str) -> bool:
    try:
        network = ipaddress.ip_network(f"{prefix_range['address_prefix']}/{_length(prefix_range)}", strict=False)
    except ValueError:
        return False
    return ipaddress.ip_address(address) in network
