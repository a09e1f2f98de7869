"""Filters that decide who may do what come by discovery of their own (ECDS), not inside their listener.

A listener that changes leaves warm connections with the old filters; a filter that is discovered changes for all of
them at once. For that its place must be there before it has anything to decide: so every listener has the same
places, and one without a task is an empty chain of filters, which adds nothing to a request's way.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labkit.mesh.memo import Memo
from labkit.mesh.model import Config, Resource

INBOUND, WAYPOINT = "virtualInbound", "main_internal"
HCM = "envoy.filters.network.http_connection_manager"
JWT, RBAC, ASKING = "envoy.filters.http.jwt_authn", "envoy.filters.http.rbac", "envoy.filters.http.ext_authz"

TYPE = "type.googleapis.com/envoy.extensions.filters.http"
JWT_TYPE = f"{TYPE}.jwt_authn.v3.JwtAuthentication"
RBAC_TYPE = f"{TYPE}.rbac.v3.RBAC"
ASKING_TYPE = f"{TYPE}.ext_authz.v3.ExtAuthz"
EMPTY_TYPE = f"{TYPE}.filter_chain.v3.FilterChainConfig"

EMPTY: Resource = {
    # Packages of descriptors do not have the message yet (xds-protos 1.85), so its name stands in one that they have.
    "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
    "type_url": EMPTY_TYPE,
    "value": {},
}
"""What is in a place without a task. An RBAC filter without rules, or a JWT filter, is asked about each request: 0.3 to
0.7 µs of processor time for each place and proxy."""

TOKENS = "labkit.tokens"
ACCESS = tuple(f"labkit.access.{number}" for number in range(5))
"""An authorizer takes two places; AUDIT, DENY and ALLOW take one each."""

BEHIND = (
    "envoy.filters.http.grpc_stats",
    "envoy.filters.http.fault",
    "envoy.filters.http.cors",
    "istio.stats",
    "envoy.filters.http.router",
)
"""Filters that come after the decisions: places without a task stand before the first of these."""


@dataclass(frozen=True)
class Discovered:
    """Listeners with places, and what is in them."""

    listeners: dict[str, Resource]
    filters: Mapping[str, Resource]


def discovered(config: Config, memo: Memo) -> Config:
    """The configuration with its deciding filters under ``extensions``."""
    listeners = config.listeners
    if isinstance(listeners, ChainMap):
        own = _remembered(listeners.maps[0], memo)
        return replace(config, listeners=ChainMap(own.listeners, *listeners.maps[1:]), extensions=_both(config, own))
    every = _remembered(listeners, memo)
    return replace(config, listeners=every.listeners, extensions=_both(config, every))


def _both(config: Config, own: Discovered) -> Mapping[str, Resource]:
    """With the filters that an EnvoyFilter brings under names of its own."""
    return {**config.extensions, **own.filters} if config.extensions else own.filters


def _remembered(listeners: Mapping[str, Resource], memo: Memo) -> Discovered:
    return memo.get(("decisions", id(listeners)), (listeners,), lambda: _moved(dict(listeners)))


def _moved(listeners: dict[str, Resource]) -> Discovered:
    """Only of what comes in: all listeners of a gateway, one of a sidecar, each host of a waypoint by itself."""
    if WAYPOINT in listeners and INBOUND not in listeners:
        return _of_waypoint(listeners)
    names = [INBOUND] if INBOUND in listeners else list(listeners)
    managers = [manager for name in names for manager in _managers(listeners[name])]
    if not managers:
        return Discovered(listeners, {})
    deciding = [entry for entry in managers[0]["http_filters"] if _decides(entry)]
    filled = _filled(deciding)
    if filled is None:
        return Discovered(listeners, {})
    changed = {name: _with_places(listeners[name], deciding) for name in names}
    return Discovered({**listeners, **changed}, filled)


def _of_waypoint(listeners: dict[str, Resource]) -> Discovered:
    """A waypoint's hosts are guarded each in its own way, so each chain has places of its own."""
    chains, filters = [], dict[str, Resource]()
    for chain in listeners[WAYPOINT]["filter_chains"]:
        changed, filled = _guarded(chain, f"|{chain['name']}")
        chains.append(changed)
        filters |= filled
    return Discovered({**listeners, WAYPOINT: {**listeners[WAYPOINT], "filter_chains": chains}}, filters)


def _guarded(chain: Resource, whose: str) -> tuple[Resource, Mapping[str, Resource]]:
    """A chain with places, and what is in them; one of TCP, or with more filters than places, as it is."""
    manager = next(_managers({"filter_chains": [chain]}), None)
    if manager is None:
        return chain, {}
    deciding = [entry for entry in manager["http_filters"] if _decides(entry)]
    filled = _filled(deciding, whose)
    return (chain, {}) if filled is None else (_chain(chain, deciding, whose), filled)


def _managers(listener: Resource) -> Iterator[Resource]:
    for chain in (*listener.get("filter_chains", ()), listener.get("default_filter_chain") or {}):
        for entry in chain.get("filters", ()):
            if _is_manager(entry):
                yield entry["typed_config"]


def _is_manager(entry: Resource) -> bool:
    """Whether it is a connection manager with filters; one that an EnvoyFilter brings may have none."""
    return entry.get("name") == HCM and "http_filters" in (entry.get("typed_config") or {})


def _decides(entry: Resource) -> bool:
    return entry.get("name") in (JWT, RBAC, ASKING) and "typed_config" in entry


def _filled(deciding: list[Resource], whose: str = "") -> dict[str, Resource] | None:
    """Place → filter; None where there are more filters than places. ``whose`` ends the names of the places."""
    tokens = [entry for entry in deciding if entry.get("name") == JWT]
    others = [entry for entry in deciding if entry.get("name") != JWT]
    if len(tokens) > 1 or len(others) > len(ACCESS):
        return None
    configs: dict[str, Any] = {TOKENS: tokens[0]["typed_config"] if tokens else EMPTY}
    for number, place in enumerate(ACCESS):
        configs[place] = others[number]["typed_config"] if number < len(others) else EMPTY
    return {f"{place}{whose}": {"name": f"{place}{whose}", "typed_config": c} for place, c in configs.items()}


def _with_places(listener: Resource, deciding: list[Resource]) -> Resource:
    """The listener with places; chains that a patch gave other filters than the first one keep theirs."""
    changed = {**listener, "filter_chains": [_chain(c, deciding) for c in listener.get("filter_chains", ())]}
    if "default_filter_chain" in listener:
        changed["default_filter_chain"] = _chain(listener["default_filter_chain"], deciding)
    return changed


def _chain(chain: Resource, deciding: list[Resource], whose: str = "") -> Resource:
    return {**chain, "filters": [_network_filter(entry, deciding, whose) for entry in chain.get("filters", ())]}


def _network_filter(entry: Resource, deciding: list[Resource], whose: str) -> Resource:
    if not _is_manager(entry):
        return entry
    filters = entry["typed_config"]["http_filters"]
    if [f for f in filters if _decides(f)] != deciding:
        return entry
    return {**entry, "typed_config": {**entry["typed_config"], "http_filters": list(_places(filters, whose))}}


def _places(filters: list[Resource], whose: str) -> Iterator[Resource]:
    """The filters with all places, in one order whatever is in them."""
    deciding = [number for number, entry in enumerate(filters) if _decides(entry)]
    ahead = next((n for n, entry in enumerate(filters) if entry.get("name") in BEHIND), len(filters))
    first, last = (deciding[0], deciding[-1]) if deciding else (ahead, -1)
    has_tokens = any(filters[number]["name"] == JWT for number in deciding)
    access = iter(ACCESS)
    for number, entry in enumerate(filters):
        if number == first and not has_tokens:
            yield _place(TOKENS, whose)
        if not deciding and number == ahead:
            yield from (_place(name, whose) for name in access)
        if number in deciding:
            yield _place(TOKENS if entry["name"] == JWT else next(access), whose)
        else:
            yield entry
        if number == last:
            yield from (_place(name, whose) for name in access)


def _place(name: str, whose: str) -> Resource:
    types = [JWT_TYPE, EMPTY_TYPE] if name == TOKENS else [RBAC_TYPE, ASKING_TYPE, EMPTY_TYPE]
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {"name": f"{name}{whose}", "config_discovery": {"config_source": source, "type_urls": types}}
