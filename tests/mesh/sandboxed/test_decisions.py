"""Filters that decide come by discovery: a listener looks the same whatever is decided in it."""

from labkit.mesh.memo import Memo
from labkit.mesh.model import Config
from labkit.mesh.sandboxed import decisions

RBAC = {"name": decisions.RBAC, "typed_config": {"@type": decisions.RBAC_TYPE, "rules": {"action": "DENY"}}}
ALLOW = {"name": decisions.RBAC, "typed_config": {"@type": decisions.RBAC_TYPE, "rules": {}}}
JWT = {"name": decisions.JWT, "typed_config": {"@type": decisions.JWT_TYPE, "providers": {}}}
LUA, FAULT, ROUTER = ({"name": f"envoy.filters.http.{name}"} for name in ("lua", "fault", "router"))


def config(*deciding, before=(), side=decisions.INBOUND):
    manager = {"http_filters": [*before, *deciding, FAULT, ROUTER]}
    chain = {"filters": [{"name": decisions.HCM, "typed_config": manager}]}
    return Config(listeners={side: {"name": side, "filter_chains": [chain]}})


def discovered(given):
    return decisions.discovered(given, Memo())


def names(given, side=decisions.INBOUND):
    (chain,) = discovered(given).listeners[side]["filter_chains"]
    return [entry["name"] for entry in chain["filters"][0]["typed_config"]["http_filters"]]


def test_the_places_are_there_before_anything_is_decided():
    assert names(config()) == [decisions.TOKENS, *decisions.ACCESS, FAULT["name"], ROUTER["name"]]


def test_a_policy_changes_what_is_discovered_and_not_the_listener():
    without, several = config(), config(JWT, RBAC, ALLOW)
    assert discovered(without).listeners == discovered(several).listeners
    filters = discovered(several).extensions
    first, second, third, *_ = (filters[name]["typed_config"] for name in decisions.ACCESS)
    assert (first, second, third) == (RBAC["typed_config"], ALLOW["typed_config"], decisions.EMPTY)
    assert filters[decisions.TOKENS]["typed_config"] == JWT["typed_config"]


def test_what_a_patch_puts_before_them_stays_before_them():
    assert names(config(RBAC, before=(LUA,))) == names(config(before=(LUA,)))
    assert names(config(RBAC, before=(LUA,)))[0] == LUA["name"]


def test_more_filters_than_places_stay_in_the_listener():
    many = config(*[RBAC] * (len(decisions.ACCESS) + 1))
    assert names(many).count(decisions.RBAC) == len(decisions.ACCESS) + 1
    assert discovered(many).extensions == {}


def test_of_a_gateway_every_listener_has_them():
    assert names(config(RBAC, side="0.0.0.0_8080"), side="0.0.0.0_8080") == names(config())


def test_what_did_not_change_is_the_very_same():
    given, memo = config(RBAC), Memo()
    first, again = decisions.discovered(given, memo), decisions.discovered(given, Memo(memo))
    assert first.listeners is again.listeners
    assert first.extensions is again.extensions


def waypoint(**deciding):
    """A waypoint with a chain per host, and what decides about it."""
    chains = [
        {"name": host, "filters": config(*filters).listeners[decisions.INBOUND]["filter_chains"][0]["filters"]}
        for host, filters in deciding.items()
    ]
    tcp = {"name": "tcp", "filters": [{"name": "envoy.filters.network.tcp_proxy"}]}
    return Config(listeners={decisions.WAYPOINT: {"name": decisions.WAYPOINT, "filter_chains": [*chains, tcp]}})


def test_each_host_of_a_waypoint_has_places_of_its_own():
    without, guarded = discovered(waypoint(a=(), b=())), discovered(waypoint(a=(RBAC,), b=(JWT, ALLOW)))
    assert without.listeners == guarded.listeners
    kept = {name: f["typed_config"] for name, f in guarded.extensions.items() if f["typed_config"] != decisions.EMPTY}
    first = decisions.ACCESS[0]
    assert kept == {
        f"{first}|a": RBAC["typed_config"],
        f"{decisions.TOKENS}|b": JWT["typed_config"],
        f"{first}|b": ALLOW["typed_config"],
    }
