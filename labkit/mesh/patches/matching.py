"""Whether a patch's ``match`` means a listener, a filter chain, a filter, a cluster, a route table, a host, a route."""

from collections.abc import Collection, Mapping
from typing import Any

from labkit.mesh.model import Resource
from labkit.mesh.patches.envoyfilters import GATEWAY, Patch
from labkit.mesh.validation import envoyfilter

VIRTUAL = ("virtualInbound", "virtualOutbound")
"""Listeners that stand for all ports: a port number means one of their chains."""

OLD_NAMES = {new: old for old, new in envoyfilter.RENAMED.items()}
ACTIONS = {"route": "ROUTE", "redirect": "REDIRECT", "direct_response": "DIRECT_RESPONSE"}


def _of(patch: Patch, *path: str) -> Mapping[str, Any] | None:
    """The part of the match under a path; None where it is not said."""
    part: Any = patch.match
    for name in path:
        part = part.get(name)
        if part is None:
            return None
    inner: Mapping[str, Any] = part
    return inner


def _is_name(asked: str, name: str) -> bool:
    return asked in (name, OLD_NAMES.get(name))


def listener(resource: Resource, patch: Patch) -> bool:
    """A listener by name and port."""
    match = _of(patch, "listener")
    if match is None:
        return True
    if match.get("name") and match["name"] != resource.get("name"):
        return False
    if not match.get("portNumber") or (patch.apply_to != "LISTENER" and resource.get("name") in VIRTUAL):
        return True
    socket = (resource.get("address") or {}).get("socket_address") or {}
    return bool(socket.get("port_value") == match["portNumber"])


def chain(resource: Resource, filter_chain: Resource, patch: Patch) -> bool:
    """A filter chain of a listener that the patch means."""
    of_listener = _of(patch, "listener")
    if of_listener is None:
        return True
    of_chain = filter_chain.get("filter_chain_match") or {}
    number = of_listener.get("portNumber")
    if number and resource.get("name") in VIRTUAL and of_chain.get("destination_port") != number:
        return False
    match = of_listener.get("filterChain") or {}
    if match.get("name") and match["name"] != filter_chain.get("name"):
        return False
    if match.get("sni") and match["sni"] not in (of_chain.get("server_names") or ()):
        return False
    if match.get("transportProtocol") and match["transportProtocol"] != of_chain.get("transport_protocol"):
        return False
    protocols = match.get("applicationProtocols")
    if protocols and not set(protocols.split(",")) <= set(of_chain.get("application_protocols") or ()):
        return False
    port = match.get("destinationPort")
    return not port or of_chain.get("destination_port") == port


def names_listener_filter(patch: Patch) -> bool:
    """Whether it names a listener filter."""
    return bool((_of(patch, "listener") or {}).get("listenerFilter"))


def listener_filter(resource: Resource, patch: Patch) -> bool:
    """A listener filter by name."""
    asked = (_of(patch, "listener") or {}).get("listenerFilter")
    return not asked or _is_name(asked, resource.get("name", ""))


def names_network_filter(patch: Patch) -> bool:
    """Whether it names a filter of the chain."""
    return _of(patch, "listener", "filterChain", "filter") is not None


def network_filter(resource: Resource, patch: Patch) -> bool:
    """A filter of a chain by name."""
    match = _of(patch, "listener", "filterChain", "filter")
    return match is None or _is_name(match.get("name", ""), resource.get("name", ""))


def names_http_filter(patch: Patch) -> bool:
    """Whether it names a filter inside the HTTP connection manager."""
    return _of(patch, "listener", "filterChain", "filter", "subFilter") is not None


def http_filter(resource: Resource, patch: Patch) -> bool:
    """An HTTP filter by name."""
    match = _of(patch, "listener", "filterChain", "filter", "subFilter")
    return match is None or _is_name(match.get("name", ""), resource.get("name", ""))


def cluster(resource: Resource, patch: Patch, hosts: Collection[str]) -> bool:
    """A cluster by name, or by service, subset and port; ``hosts``: the Services behind an inbound one."""
    match = _of(patch, "cluster")
    if match is None:
        return True
    name = str(resource.get("name", ""))
    if match.get("name"):
        return bool(match["name"] == name)
    _, port, subset, host = name.split("|") if name.count("|") == 3 else ("", "", "", "")
    if match.get("service") and match["service"] not in (hosts or (host,)):
        return False
    if match.get("subset") and match["subset"] != subset:
        return False
    return not match.get("portNumber") or str(match["portNumber"]) == port


def table(name: str, patch: Patch, context: str, ports: Mapping[int, Collection[int]]) -> bool:
    """A route table by its name and port; ``ports``: port of a gateway's table → ports that its Gateways name."""
    match = _of(patch, "routeConfiguration")
    if match is None:
        return True
    if match.get("name") and match["name"] != name:
        return False
    if context != GATEWAY:
        return not match.get("portNumber") or match["portNumber"] == _sidecar_port(name)
    port, port_name, gateway = gateway_table(name)
    if match.get("portNumber") and match["portNumber"] not in ports.get(port, (port,)):
        return False
    return match.get("portName") in (None, "", port_name) and match.get("gateway") in (None, "", gateway)


def _sidecar_port(name: str) -> int:
    """``9080``, or ``inbound|9080||``; 0 for a table with another kind of name."""
    number = name.split("|")[1] if name.startswith("inbound|") else name
    return int(number) if number.isdecimal() else 0


def gateway_table(name: str) -> tuple[int, str, str]:
    """(port, name of the port, ``namespace/name`` of the Gateway) of ``https.443.https.bookinfo-gateway.default``.

    Where a name has more dots Istio reads nothing from it: a Gateway whose name has a dot, or a server with ``bind``.
    """
    protocol, *parts = name.split(".")
    number = int(parts[0]) if parts and parts[0].isdecimal() else 0
    if protocol != "https":
        return number, "", ""
    return (number, parts[1], f"{parts[3]}/{parts[2]}") if len(parts) == 4 else (0, "", "")


def virtual_host(resource: Resource, patch: Patch) -> bool:
    """A virtual host by its name, or by one of its domains."""
    match = _of(patch, "routeConfiguration", "vhost")
    if match is None:
        return True
    if match.get("domainName") and match["domainName"] not in (resource.get("domains") or ()):
        return False
    return match.get("name") in (None, "", resource.get("name"))


def names_route(patch: Patch) -> bool:
    """Whether it names a route of the host."""
    return _of(patch, "routeConfiguration", "vhost", "route") is not None


def route(resource: Resource, patch: Patch) -> bool:
    """A route by its name and by what it does."""
    match = _of(patch, "routeConfiguration", "vhost", "route")
    if match is None:
        return True
    if match.get("name") and match["name"] != resource.get("name"):
        return False
    action = match.get("action") or "ANY"
    does = next((word for field, word in ACTIONS.items() if field in resource), action)
    return action in ("ANY", does)
