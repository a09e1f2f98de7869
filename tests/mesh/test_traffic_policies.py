"""Which traffic policy counts for a port and a subset, and what of it is read."""

from typing import Any

import pytest

from labkit.mesh.routes import http_routes, virtual_services
from labkit.mesh.upstreams import traffic_policy, typed_policy

POOL, OTHER_POOL = {"tcp": {"maxConnections": 1}}, {"tcp": {"maxConnections": 2}}
BUDGET, PROTOCOL = {"percent": 5}, {"version": "V2"}


def _entry(**fields: Any) -> list[dict[str, Any]]:
    return [{"port": {"number": 80}, **fields}]


FOR_PORTS = {
    "no entry": ({"connectionPool": POOL}, {"connectionPool": POOL}),
    "an entry decides alone": (
        {"connectionPool": POOL, "outlierDetection": {}, "portLevelSettings": _entry(connectionPool=OTHER_POOL)},
        {"connectionPool": OTHER_POOL},
    ),
    "what no entry can say stays": (
        {"retryBudget": BUDGET, "proxyProtocol": PROTOCOL, "connectionPool": POOL, "portLevelSettings": _entry()},
        {"retryBudget": BUDGET, "proxyProtocol": PROTOCOL},
    ),
    "an entry of another port": (
        {"connectionPool": POOL, "portLevelSettings": [{"port": {"number": 81}, "connectionPool": OTHER_POOL}]},
        {"connectionPool": POOL},
    ),
}


@pytest.mark.parametrize(("policy", "expected"), FOR_PORTS.values(), ids=list(FOR_PORTS))
def test_of_a_port_its_own_entry_decides(policy: dict[str, Any], expected: dict[str, Any]) -> None:
    assert traffic_policy.for_port(policy, 80) == expected


def test_a_subset_inherits_what_it_does_not_say() -> None:
    host = {"connectionPool": POOL, "retryBudget": BUDGET, "portLevelSettings": _entry(connectionPool=OTHER_POOL)}
    assert traffic_policy.for_subset(host, {"outlierDetection": {}}, 80) == {
        "connectionPool": OTHER_POOL,
        "retryBudget": BUDGET,
        "outlierDetection": {},
    }
    own = {"portLevelSettings": _entry(outlierDetection={})}
    assert traffic_policy.for_subset(host, own, 80) == {"outlierDetection": {}, "retryBudget": BUDGET}


def test_local_errors_of_none_are_envoys_default() -> None:
    spec = {"splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 0, "consecutive5xxErrors": 0}
    outliers = typed_policy.read({"outlierDetection": spec}).outliers
    assert outliers is not None
    assert (outliers.local_errors, outliers.errors) == (None, 0)


HOSTS = {
    "the destination's": ({"set": {"Host": "of.destination"}}, "of.destination"),
    "the rewrite's": (None, "of.rewrite"),
}


@pytest.mark.parametrize(("of_destination", "host"), HOSTS.values(), ids=list(HOSTS))
def test_the_host_of_a_single_destination_comes_last(of_destination: dict[str, Any] | None, host: str) -> None:
    route: dict[str, Any] = {"destination": {"host": "web"}}
    if of_destination:
        route["headers"] = {"request": of_destination}
    rule = {
        "route": [route],
        "rewrite": {"authority": "of.rewrite"},
        "headers": {"request": {"set": {"Host": "of.rule"}}},
    }
    obj = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"hosts": ["web"], "http": [rule]}}
    (converted,) = http_routes.routes(
        virtual_services.parse(obj, {}, ("*",)),
        http_routes.Context(
            port=80,
            gateways={"mesh"},
            namespace="default",
            labels={},
            ports_of=lambda host: (80,),
            hash_of=lambda host, subset, port: (),
        ),
    )
    assert getattr(converted.action, "authority", None) == host
