"""What is made from the last snapshot and its change is what would be made from nothing."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.mesh import compiler, gateway_api, model

Object = dict[str, Any]
NETWORKING, GATEWAY_API = "networking.istio.io", "gateway.networking.k8s.io"


def service(ports: Mapping[str, int], **spec: Any) -> Object:
    listed = [{"name": name, "port": port} for name, port in ports.items()]
    return {"clusterIP": "10.96.0.7", "selector": {"app": "web"}, "ports": listed, **spec}


def to(host: str, **more: Any) -> Object:
    return {"route": [{"destination": {"host": host, **more}}]}


def patch(apply_to: str, operation: str, value: Object | None, **match: Any) -> Object:
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": apply_to, "match": match, "patch": change}


WORLD: dict[tuple[str, str, str], list[Object]] = {
    ("services", "web", "default"): [
        service({"http": 80}),
        service({"http": 80, "tcp-db": 5432, "plain": 9000}),
        service({"http": 80}, clusterIP="None"),
    ],
    ("services", "shop", "other"): [service({"http": 80, "http-more": 8080}), service({"unknown": 80})],
    ("services", "alias", "default"): [{"type": "ExternalName", "externalName": "web.default.svc.cluster.local"}],
    (f"serviceentries.{NETWORKING}", "outside", "default"): [
        {
            "hosts": ["api.example.com", "web.default.svc.cluster.local"],
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "resolution": "STATIC",
            "endpoints": [{"address": "10.0.0.1"}],
        },
        {"hosts": ["api.example.com"], "ports": [{"number": 5432, "name": "tcp", "protocol": "TCP"}]},
    ],
    (f"virtualservices.{NETWORKING}", "web", "default"): [
        {"hosts": ["web"], "http": [to("web", subset="v1")]},
        {"hosts": ["web", "shop.other.svc.cluster.local"], "http": [to("shop.other.svc.cluster.local")]},
        {"hosts": ["web"], "http": [{"match": [{"sourceLabels": {"app": "client"}}], **to("web")}]},
        {"hosts": ["web"], "gateways": ["mesh", "entry"], "http": [to("web")], "exportTo": ["."]},
        {"hosts": ["web"], "tcp": [to("web")]},
    ],
    (f"virtualservices.{NETWORKING}", "more", "default"): [
        {"hosts": ["*"], "gateways": ["entry"], "http": [{"match": [{"uri": {"prefix": "/a"}}], **to("web")}]},
        {"hosts": ["*.example.com"], "http": [to("api.example.com")]},
        {"hosts": ["nowhere.example.com", "api.example.com"], "http": [to("web")]},
        {
            "hosts": ["shop.other.svc.cluster.local"],
            "http": [{"match": [{"uri": {"prefix": "/d"}}], "delegate": {"name": "part"}}],
        },
        {"hosts": ["web"], "http": [{"match": [{"sourceLabels": {"app": "web"}}], **to("web")}]},
    ],
    (f"virtualservices.{NETWORKING}", "part", "default"): [
        {"http": [to("web")]},
        {"http": [{"timeout": "1s", **to("shop.other.svc.cluster.local")}]},
    ],
    (f"destinationrules.{NETWORKING}", "web", "default"): [
        {"host": "web", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]},
        {"host": "web", "trafficPolicy": {"loadBalancer": {"consistentHash": {"httpHeaderName": "x"}}}},
        {"host": "*.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
        {"host": "web", "workloadSelector": {"matchLabels": {"app": "client"}}, "subsets": [{"name": "v1"}]},
        {
            "host": "web",
            "trafficPolicy": {
                "loadBalancer": {"localityLbSetting": {"failoverPriority": ["version"]}},
                "outlierDetection": {},
            },
        },
    ],
    (f"gateways.{NETWORKING}", "entry", "default"): [
        {"selector": {"istio": "gw"}, "servers": [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}]},
        {"selector": {"istio": "gw"}, "servers": [{"port": {"number": 90, "protocol": "HTTP"}, "hosts": ["web"]}]},
    ],
    (f"sidecars.{NETWORKING}", "scope", "default"): [
        {"egress": [{"hosts": ["./*"]}]},
        {"egress": [{"port": {"number": 80}, "hosts": ["*/*"]}, {"hosts": ["other/*"]}]},
        {"workloadSelector": {"labels": {"app": "client"}}, "egress": [{"hosts": ["~/*"]}]},
        {"workloadSelector": {"labels": {"app": "web"}}, "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
    ],
    ("peerauthentications.security.istio.io", "plain", "default"): [
        {"mtls": {"mode": "DISABLE"}},
        {"selector": {"matchLabels": {"app": "web"}}, "mtls": {"mode": "STRICT"}},
        {"selector": {"matchLabels": {"version": "v2"}}, "mtls": {"mode": "DISABLE"}},
    ],
    (f"httproutes.{GATEWAY_API}", "route", "default"): [
        {
            "parentRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80}],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
        },
        {
            "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
            "rules": [{"backendRefs": [{"name": "nosuch", "port": 80}]}],
        },
    ],
    (f"envoyfilters.{NETWORKING}", "patch", "default"): [
        {"configPatches": [patch("CLUSTER", "MERGE", {"connect_timeout": "2s"}, context="SIDECAR_OUTBOUND")]},
        {"configPatches": [patch("CLUSTER", "REMOVE", None, cluster={"service": "web.default.svc.cluster.local"})]},
        {
            "workloadSelector": {"labels": {"app": "web"}},
            "configPatches": [
                patch("HTTP_FILTER", "INSERT_FIRST", {"name": "envoy.filters.http.buffer"}),
                patch("CLUSTER", "MERGE", {"connect_timeout": "3s"}, cluster={"portNumber": 80}),
            ],
        },
        {
            "configPatches": [
                patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "3s"}}, routeConfiguration={"portNumber": 80})
            ]
        },
    ],
    (f"envoyfilters.{NETWORKING}", "root", "istio-system"): [
        {"configPatches": [patch("VIRTUAL_HOST", "MERGE", {"response_headers_to_remove": ["x-a"]})]},
        {
            "priority": 10,
            "configPatches": [patch("CLUSTER", "ADD", {"name": "more"}), patch("LISTENER", "REMOVE", None)],
        },
        {"targetRefs": [{"kind": "Gateway", "name": "none"}], "configPatches": [patch("LISTENER", "REMOVE", None)]},
    ],
    ("namespaces", "other", ""): [{}],
}
"""What there may be: one of these specs, or nothing."""

MESHES: list[Object] = [{}, {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}, {"accessLogFile": "/dev/stdout"}]
PLACES = [*WORLD]
CHANGE = st.sampled_from(PLACES).flatmap(
    lambda place: st.tuples(st.just(place), st.sampled_from([*WORLD[place], *WORLD[place], None]))
)
MESH = st.tuples(st.just("mesh"), st.sampled_from(MESHES))
STEPS = st.lists(st.one_of(CHANGE, CHANGE, CHANGE, CHANGE, MESH), min_size=5, max_size=25)


def pod(address: str, version: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": version, "namespace": "default", "labels": {"app": "web", "version": version}},
        "spec": {},
        "status": {"podIP": address},
    }


def endpoints(name: str, namespace: str, *addresses: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


ALWAYS = {
    "namespaces": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}],
    "pods": [pod("127.66.0.1", "v1"), pod("127.66.0.2", "v2")],
    "endpointslices.discovery.k8s.io": [
        endpoints("web", "default", "127.66.0.1", "127.66.0.2"),
        endpoints("shop", "other", "127.66.0.3"),
    ],
}
PROXIES = [
    model.Proxy(name=name, namespace=namespace, role=role, ip="127.66.1.1", labels=labels)
    for name, namespace, role, labels in (
        ("client", "default", "sidecar", {"app": "client"}),
        ("web", "default", "sidecar", {"app": "web", "version": "v1"}),
        ("far", "other", "sidecar", {"app": "shop"}),
        ("gateway", "default", "router", {"istio": "gw"}),
    )
]


class World:
    """Objects that come, change and go."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._clock = 0

    def put(self, place: tuple[str, str, str], spec: Object | None) -> None:
        kind, name, namespace = place
        before = self._objects.pop(place, None) if spec is None else self._objects.get(place)
        if spec is None:
            return
        self._clock += 1
        born = before["metadata"]["creationTimestamp"] if before else f"2026-01-01T00:00:{self._clock:02}Z"
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": born}
        self._objects[place] = {"apiVersion": "v1", "kind": KINDS.get(kind, kind), "metadata": metadata, "spec": spec}

    def snapshot(self, mesh: Object) -> model.Snapshot:
        found = {kind: list(objects) for kind, objects in ALWAYS.items()}
        for (kind, _, _), obj in self._objects.items():
            found.setdefault(kind, []).append(obj)
        plain = model.Snapshot(objects=found, mesh_config=mesh)
        return gateway_api.expanded(plain, gateway_api.convert(plain))


KINDS = {f"httproutes.{GATEWAY_API}": "HTTPRoute"}


def told(index: compiler.Index) -> list[dict[str, dict[str, Any]]]:
    """All that every proxy is given."""
    kinds = ("clusters", "endpoints", "listeners", "routes", "extensions", "secrets")
    return [{kind: dict(getattr(config, kind)) for kind in kinds} for config in map(index.for_proxy, PROXIES)]


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.tuples(*(st.sampled_from([*WORLD[place], None]) for place in PLACES)), STEPS)
def test_a_change_gives_what_a_fresh_start_gives(specs: tuple[Any, ...], steps: list[Any]) -> None:
    world, mesh, index = World(), MESHES[0], None
    for place, spec in zip(PLACES, specs, strict=True):
        world.put(place, spec)
    for what, said in steps:
        if what == "mesh":
            mesh = said
        else:
            world.put(what, said)
        index = compiler.index(world.snapshot(mesh), index)
        assert told(index) == told(compiler.index(world.snapshot(mesh)))


def test_a_workload_keeps_its_own_routes_when_others_are_no_longer_told_apart() -> None:
    def only_from(app: str, *hosts: str) -> Object:
        return {"hosts": [*hosts], "http": [{"match": [{"sourceLabels": {"app": app}}], "timeout": "1s", **to("web")}]}

    world = World()
    world.put(("services", "web", "default"), service({"http": 80}))
    world.put((f"virtualservices.{NETWORKING}", "first", "default"), only_from("client", "a.example.com"))
    world.put((f"virtualservices.{NETWORKING}", "second", "default"), only_from("web", "web"))
    index = compiler.index(world.snapshot({}))
    told(index)
    world.put((f"virtualservices.{NETWORKING}", "first", "default"), None)
    world.put((f"virtualservices.{NETWORKING}", "third", "default"), only_from("nobody", "b.example.com"))
    index = compiler.index(world.snapshot({}), index)
    assert told(index) == told(compiler.index(world.snapshot({})))


def test_a_delegate_that_changes_changes_the_rule_that_names_it() -> None:
    world = World()
    world.put(("services", "web", "default"), service({"http": 80}))
    root = {"hosts": ["web"], "http": [{"match": [{"uri": {"prefix": "/d"}}], "delegate": {"name": "part"}}]}
    world.put((f"virtualservices.{NETWORKING}", "root", "default"), root)
    world.put((f"virtualservices.{NETWORKING}", "part", "default"), {"http": [to("web")]})
    index = compiler.index(world.snapshot({}))
    told(index)
    world.put((f"virtualservices.{NETWORKING}", "part", "default"), {"http": [{"timeout": "1s", **to("web")}]})
    index = compiler.index(world.snapshot({}), index)
    assert told(index) == told(compiler.index(world.snapshot({})))


@pytest.mark.parametrize("size", [10, 200])
def test_one_changed_rule_leaves_the_resources_of_all_others_as_they_are(size: int) -> None:
    objects = {
        **ALWAYS,
        "services": [_named("services", f"s{n}", service({"http": 80})) for n in range(size)],
        "virtualservices": [],
    }
    rules = [_named("VirtualService", f"s{n}", {"hosts": [f"s{n}"], "http": [to(f"s{n}")]}) for n in range(size)]
    place = f"virtualservices.{NETWORKING}"
    first = compiler.index(model.Snapshot(objects={**objects, place: rules}))
    before = first.for_proxy(PROXIES[0])
    changed = _named("VirtualService", "s3", {"hosts": ["s3"], "http": [{"timeout": "1s", **to("s3")}]})
    second = compiler.index(model.Snapshot(objects={**objects, place: [*rules[:3], changed, *rules[4:]]}), first)
    after = second.for_proxy(PROXIES[0])
    assert after.endpoints is before.endpoints
    assert all(after.clusters[name] is cluster for name, cluster in before.clusters.items())
    hosts = [config.routes["80"]["virtual_hosts"] for config in (before, after)]
    assert [old["name"] for old, new in zip(*hosts, strict=True) if old is not new] == [
        "s3.default.svc.cluster.local:80"
    ]


def _named(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
