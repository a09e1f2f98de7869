"""Every part of an Envoy's configuration knows the object and the field that it comes from."""

import pytest
import yaml

from labkit.kube import manifests
from labkit.mesh import compiler
from labkit.mesh.explain import provenance
from tests.mesh import test_golden as golden

ISTIOS = (
    "BlackHoleCluster",
    "PassthroughCluster",
    "InboundPassthroughCluster",
    "agent",
    "prometheus_stats",
    "xds-grpc",
)
OWN_HOSTS = ("allow_any", "block_all", "inbound|", "blackhole")


def linked(case):
    objects = [*manifests.read(golden.FOLDER / "scene.yaml"), *manifests.parse((case / "in.yaml").read_text())]
    snapshot = golden.snapshot(case)
    index = compiler.index(snapshot)
    for proxy in golden.proxies(snapshot).values():
        config = index.for_proxy(proxy)
        yield config, provenance.links(config, objects), {provenance.title(o): o for o in objects}


@pytest.mark.parametrize("case", golden.CASES, ids=lambda case: case.name)
def test_every_host_and_cluster_of_a_golden_case_has_an_origin(case):
    for config, links, _ in linked(case):
        linked_parts = {(link.kind, link.name) for link in links}
        clusters = [("cluster", name) for name in config.clusters if not name.startswith(ISTIOS)]
        hosts = [("virtual host", h["name"]) for t in config.routes.values() for h in t.get("virtual_hosts", [])]
        hosts = [host for host in hosts if not host[1].startswith(OWN_HOSTS)]
        assert [one for one in (*clusters, *hosts) if one not in linked_parts] == []


@pytest.mark.parametrize("case", golden.CASES, ids=lambda case: case.name)
def test_both_ends_of_every_link_are_there(case):
    for config, links, objects in linked(case):
        hosts = {h["name"]: h for t in config.routes.values() for h in t.get("virtual_hosts", [])}
        for link in links:
            assert provenance.value_at(objects[link.object], link.field) is not None, link
            places = {"virtual host": hosts, "cluster": config.clusters, "listener": config.listeners}[link.kind]
            head = link.path.partition("[envoy.")[0]
            assert provenance.value_at(places[link.name], head) is not None, link


RULE = """
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: jason}}}, {uri: {prefix: /new}}]
    timeout: 2s
    route: [{destination: {host: reviews, subset: v2}}]
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v3}, weight: 10}
"""


def route(*clusters, **match):
    metadata = {"filter_metadata": {"istio": {"config": "/apis/n/v1/namespaces/default/virtual-service/reviews"}}}
    names = [f"outbound|9080|{c}|reviews.default.svc.cluster.local" for c in clusters]
    weighted = {"weighted_clusters": {"clusters": [{"name": n, "weight": 1} for n in names]}}
    action = weighted if len(names) > 1 else {"cluster": names[0]}
    return {"match": {"prefix": "/", **match}, "metadata": metadata, "route": {**action, "timeout": "2s"}}


def test_a_route_knows_its_rule_and_its_match():
    jason = route("v2", headers=[{"name": "end-user"}])
    host = {
        "name": "reviews:9080",
        "domains": ["reviews"],
        "routes": [jason, route("v2", prefix="/new"), route("v1", "v3")],
    }
    config = provenance.Config(routes={"9080": {"virtual_hosts": [host]}})
    fields = {link.path: link.field for link in provenance.links(config, [yaml.safe_load(RULE)])}
    assert fields["routes[0].match.headers[0]"] == "spec.http[0].match[0].headers.end-user"
    assert fields["routes[1].match.prefix"] == "spec.http[0].match[1].uri"
    assert fields["routes[1].route.timeout"] == "spec.http[0].timeout"
    assert fields["routes[2].route.weighted_clusters.clusters[1].weight"] == "spec.http[1].route[1].weight"
