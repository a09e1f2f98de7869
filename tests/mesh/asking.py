"""Requests drawn for a proxy: hosts, ports, paths and headers near those that its configuration asks for."""

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.explain import connections
from labkit.mesh.explain.connections import Connection
from labkit.mesh.model import Config, Resource
from tests.mesh.answering import Sent

ELSEWHERE = "192.0.2.7"
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
STRANGERS = ("nosuch.example.org", "example.com", "x")
PATHS = ("/", "/productpage", "/a/../b", "/%70roductpage", "//x", "/reviews/0?beta=yes&beta=no")


def drawn(config: Config, chance: random.Random, count: int) -> Iterator[Sent]:
    """So many requests."""
    targets = list(_targets(config))
    rich = [t for t in targets if any(map(_is_ruled, t[2].get("virtual_hosts") or ()))]
    for _ in range(count):
        address, port, table, is_tls = chance.choice(rich if rich and chance.random() < 0.7 else targets)
        hosts = [d for h in table.get("virtual_hosts") or () for d in h["domains"]] or list(_server_names(config, port))
        ruled = [d for h in table.get("virtual_hosts") or () if _is_ruled(h) for d in h["domains"]]
        likely = ruled if ruled and chance.random() < 0.8 else hosts
        domain = chance.choice(likely) if likely and chance.random() < 0.9 else chance.choice(STRANGERS)
        host = domain.replace("*", chance.choice(("shop", "a.b", ""))).strip(".") or "any.example"
        match = _near(table, domain, chance)
        name = host if ":" in host or chance.random() < 0.5 else f"{host}:{port}"
        if chance.random() < 0.1:
            name = name.upper()
        if chance.random() < 0.15:
            is_tls = not is_tls
        yield Sent(
            connection=Connection(port=port, address=address, host=name.partition(":")[0], is_tls=is_tls),
            host=name,
            path=_path(match, chance),
            method=_method(match, chance),
            headers=dict(_headers(match, chance)),
        )


def _is_ruled(host: Resource) -> bool:
    """Whether more is asked of a request than its host."""
    routes = host.get("routes") or ()
    return len(routes) > 1 or any("metadata" in route for route in routes)


def _targets(config: Config) -> Iterator[tuple[str, int, Resource, bool]]:
    for listener in config.listeners.values():
        socket = (listener.get("address") or {}).get("socket_address") or {}
        if listener.get("traffic_direction") == "INBOUND" or not socket:
            continue
        address = socket["address"]
        for chain in listener.get("filter_chains") or ():
            for typed in connections.filters(chain):
                name = (typed.get("rds") or {}).get("route_config_name", "")
                table = config.routes.get(name) or typed.get("route_config") or {}
                is_tls = "transport_socket" in chain or bool(
                    (chain.get("filter_chain_match") or {}).get("server_names")
                )
                yield ELSEWHERE if address == "0.0.0.0" else address, socket["port_value"], table, is_tls
    if connections.is_sidecar(config):
        yield ELSEWHERE, 4711, {}, False


def _server_names(config: Config, port: int) -> Iterator[str]:
    for listener in config.listeners.values():
        if (listener.get("address") or {}).get("socket_address", {}).get("port_value") == port:
            for chain in listener.get("filter_chains") or ():
                yield from (chain.get("filter_chain_match") or {}).get("server_names") or ()


def _near(table: Resource, domain: str, chance: random.Random) -> Resource:
    """A match of a route of the host, or of any."""
    hosts = table.get("virtual_hosts") or []
    own = [h for h in hosts if domain in h["domains"]] or hosts
    routes = [route for host in own for route in host.get("routes") or ()]
    return (chance.choice(routes).get("match") or {}) if routes else {}


def _path(match: Resource, chance: random.Random) -> str:
    if chance.random() < 0.25:
        return chance.choice(PATHS)
    expression = str((match.get("safe_regex") or {}).get("regex", ""))
    path = str(match.get("path") or match.get("path_separated_prefix") or match.get("prefix") or _of_regex(expression))
    path = path if path.startswith("/") else f"/{path}"
    path += chance.choice(("", "", "", "x", "/x", "/"))
    if chance.random() < 0.1:
        path = path.upper()
    queries = [
        f"{q['name']}={_value(q.get('string_match') or {}, chance)}"
        for q in match.get("query_parameters") or ()
        if chance.random() < 0.8
    ]
    return path + ("?" + "&".join(queries) if queries else "")


def _method(match: Resource, chance: random.Random) -> str:
    asked = [h for h in match.get("headers") or () if h["name"] == ":method"]
    if asked and chance.random() < 0.8:
        value = _value(asked[0].get("string_match") or {}, chance)
        return value if value in METHODS else "GET"
    return chance.choice(("GET", "GET", "GET", "POST", "DELETE"))


def _headers(match: Resource, chance: random.Random) -> Iterator[tuple[str, str]]:
    for header in match.get("headers") or ():
        if not header["name"].startswith(":") and chance.random() < 0.75:
            yield header["name"], _value(header.get("string_match") or {}, chance)


def _value(matcher: Mapping[str, Any], chance: random.Random) -> str:
    expression = str((matcher.get("safe_regex") or {}).get("regex", ""))
    value = str(matcher.get("exact") or matcher.get("prefix") or matcher.get("suffix") or _of_regex(expression))
    value += chance.choice(("", "", "", "x"))
    return value.upper() if chance.random() < 0.1 else value


def _of_regex(expression: str) -> str:
    """A word that a simple expression takes, now and then."""
    text = re.sub(r"\(\?i\)|[\^$]", "", expression)
    text = re.sub(r"\(([^|()]*)\|[^()]*\)", r"\1", text)
    text = re.sub(r"\[0-9\]|\\d", "7", re.sub(r"\[a-z[^\]]*\]", "k", text))
    return re.sub(r"[+*?(){}\\]", "", text.replace(".*", "any").replace(".+", "any")) or "any"
