"""The judge's own tests: whatever is broken is found, of every type, and everything is looked at."""

from dataclasses import replace
from typing import Any

import pytest

from labkit.mesh import envoy, ir
from labkit.mesh.envoy import filters, tls
from labkit.mesh.model import Config, Resource
from labkit.mesh.sandboxed import istios_filters
from labkit.sandbox.proxy import bootstrap
from tests.mesh import envoys

SOCKET = envoy.typed(
    "envoy.transport_sockets.tls",
    "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    common_tls_context={"tls_certificate_sds_secret_configs": [tls.secret("shop")]},
)


def cluster(name: str = "web", **fields: Any) -> Resource:
    source = {"eds_config": envoy.ADS, "service_name": name}
    return {"name": name, "type": "EDS", "eds_cluster_config": source, "transport_socket": SOCKET, **fields}


ROUTE: Resource = {"match": {"prefix": "/"}, "route": {"cluster": "web"}}


def table(route: Resource = ROUTE) -> Resource:
    return {"name": "table", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}


def endpoints(address: str = "10.0.0.1", *, name: str = "web") -> Resource:
    one = {"endpoint": {"address": envoy.address(address, 80)}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [one]}]}


def listener(judge: envoys.Judge, *, port: int = 8080, stat_prefix: str = "in") -> Resource:
    manager: Resource = filters.connection_manager(ir.Http(side=ir.INBOUND, stat="in", table="table"))
    manager["typed_config"]["stat_prefix"] = stat_prefix
    address = envoy.address(judge.proxy(envoys.NOBODY).ip, port)
    own = {"name": "in", "address": address, "filter_chains": [{"filters": [manager]}]}
    loadable: Resource = istios_filters.replaced(own)
    return loadable


def config(judge: envoys.Judge, **other: Resource) -> Config:
    """One resource of each type that leads to the next; ``other`` ones take their places."""
    secret = {"name": "shop", "tls_certificate": envoys.certificate("shop.example.com")}
    found = {
        "clusters": cluster(),
        "endpoints": endpoints(),
        "listeners": listener(judge),
        "routes": table(),
        "secrets": secret,
    }
    return Config(**{kind: {name_of(r): r} for kind, r in (found | other).items()})


def name_of(resource: Resource) -> str:
    return str(resource.get("name") or resource["cluster_name"])


def test_a_sound_configuration_is_taken_whole(sidecar: envoys.Judge) -> None:
    found = config(sidecar)
    verdict = sidecar.judge(found)
    assert verdict == envoys.Verdict(refused={}, taken=envoys.names(found))


@pytest.mark.parametrize(
    ("kind", "broken", "reason"),
    [
        ("clusters", cluster(lb_policy="CLUSTER_PROVIDED"), "cluster 'web' did not provide one"),
        ("endpoints", endpoints("web.example.com"), "malformed IP address: web.example.com"),
        ("routes", table({"match": {"prefix": "/"}, "direct_response": {"status": 99}}), "DirectResponseAction.Status"),
        ("secrets", {"name": "shop", "tls_certificate": {"private_key": {"inline_string": "key"}}}, "certificate"),
    ],
    ids=["cluster", "endpoint", "route", "secret"],
)
def test_what_is_broken_is_refused_with_its_reason(
    sidecar: envoys.Judge, kind: str, broken: Resource, reason: str
) -> None:
    verdict = sidecar.judge(config(sidecar, **{kind: broken}))
    assert verdict.refused.keys() == {(kind, name_of(broken))}
    assert reason in verdict.refused[kind, name_of(broken)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"stat_prefix": ""}, "HttpConnectionManager.StatPrefix"), ({"port": bootstrap.READY_PORT}, "15021")],
    ids=["broken", "of-a-port-that-is-taken"],
)
def test_a_listener_is_refused_with_its_reason(sidecar: envoys.Judge, said: Any, reason: str) -> None:
    verdict = sidecar.judge(config(sidecar, listeners=listener(sidecar, **said)))
    assert verdict.refused.keys() == {("listeners", "in")}
    assert reason in verdict.refused["listeners", "in"]


def test_what_nobody_refers_to_is_not_taken(sidecar: envoys.Judge) -> None:
    found = config(sidecar)
    found = replace(found, routes={**found.routes, "other": {**table(), "name": "other"}})
    assert envoys.names(found) - sidecar.judge(found).taken == {("routes", "other")}


@pytest.mark.parametrize(
    ("kind", "broken"),
    [("clusters", cluster(connect_timeout="-1s")), ("endpoints", endpoints("web.example.com"))],
    ids=["cluster", "endpoint"],
)
def test_one_broken_resource_keeps_none_of_the_others_away(sidecar: envoys.Judge, kind: str, broken: Resource) -> None:
    found = config(sidecar, **{kind: broken})
    clusters = {**found.clusters, **{name: cluster(name) for name in "abcd"}}
    every = {**found.endpoints, **{name: endpoints(name=name) for name in "abcd"}}
    verdict = sidecar.judge(replace(found, clusters=clusters, endpoints=every))
    assert verdict.refused.keys() == {(kind, "web")}
    assert {(kind, name) for name in "abcd" for kind in ("clusters", "endpoints")} <= verdict.taken


def test_a_refusal_ends_with_what_was_refused(sidecar: envoys.Judge) -> None:
    assert sidecar.judge(config(sidecar, endpoints=endpoints("web.example.com"))).refused
    assert not sidecar.judge(config(sidecar)).refused


def test_the_reason_is_found_where_an_answer_is_cut_off_before_it(sidecar: envoys.Judge) -> None:
    hosts = [{"name": f"{n}.example.com", "domains": [f"{n}.example.com"], "routes": [ROUTE]} for n in range(100)]
    hosts.append({"name": "", "domains": ["*"], "routes": [ROUTE]})
    verdict = sidecar.judge(config(sidecar, routes={"name": "table", "virtual_hosts": hosts}))
    assert verdict.refused["routes", "table"] == "VirtualHost.Name: value length must be at least 1 characters"
