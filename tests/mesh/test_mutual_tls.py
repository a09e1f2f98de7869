"""Who encrypts what on the way to a host, and whose object decided it."""

import pytest

from labkit.conformance import answers, scene
from labkit.install import bookinfo
from labkit.kube import manifests
from labkit.mesh import compiler
from labkit.mesh.explain import mutual_tls
from tests import recorded

LEGACY = """
apiVersion: v1
kind: Service
metadata: {name: old, namespace: legacy}
spec: {selector: {app: old}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: legacy}
spec:
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: old, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, ports: [{containerPort: 8080}]}]}
"""


def peer(name, mode="", *, namespace="default", app="", ports=None, created="2026-11-01T00:00:00Z"):
    spec = {"mtls": {"mode": mode}} if mode else {}
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    if ports:
        spec["portLevelMtls"] = {str(number): {"mode": port_mode} for number, port_mode in ports.items()}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


def rule(host, mode, *, subset=""):
    policy = {"tls": {"mode": mode}}
    spec = {"host": host}
    if subset:
        spec["subsets"] = [{"name": subset, "labels": {"version": subset}, "trafficPolicy": policy}]
    else:
        spec["trafficPolicy"] = policy
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": host, "namespace": "default"},
        "spec": spec,
    }


def ports(name, *objects, mesh=None):
    given = [*bookinfo.objects(), *manifests.parse(LEGACY), *objects]
    configuration = [{"kind": "MeshConfig", "apiVersion": "v1", "metadata": {"name": "mesh"}, "mesh": mesh or {}}]
    snapshot = scene.snapshot(map(scene.with_namespace, [*given, *configuration]))
    return mutual_tls.of_host(snapshot, mutual_tls.host_of(name, "default"), client="default")


OLDER, YOUNGER = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
DECIDED = {
    "nobody says anything": ([], "PERMISSIVE", "no policy: PERMISSIVE is the default"),
    "the mesh": ([peer("all", "STRICT", namespace="istio-system")], "STRICT", "PeerAuthentication istio-system/all"),
    "the namespace over the mesh": (
        [peer("all", "STRICT", namespace="istio-system"), peer("here", "DISABLE")],
        "DISABLE",
        "PeerAuthentication default/here",
    ),
    "the workload over the namespace": (
        [peer("here", "STRICT"), peer("own", "PERMISSIVE", app="ratings")],
        "PERMISSIVE",
        "PeerAuthentication default/own",
    ),
    "the port over the workload": (
        [peer("own", "STRICT", app="ratings", ports={9080: "DISABLE"})],
        "DISABLE",
        "PeerAuthentication default/own",
    ),
    "UNSET has what is above": (
        [peer("here", "STRICT"), peer("own", "UNSET", app="ratings")],
        "STRICT",
        "PeerAuthentication default/here",
    ),
    "a port that is UNSET has what is above": (
        [peer("here", "STRICT"), peer("own", "UNSET", app="ratings", ports={9080: "UNSET"})],
        "STRICT",
        "PeerAuthentication default/here",
    ),
    "the older of two": (
        [peer("a", "STRICT", created=YOUNGER), peer("b", "DISABLE", created=OLDER)],
        "DISABLE",
        "PeerAuthentication default/b",
    ),
    "the older of two, though it is UNSET": (
        [peer("a", "STRICT", created=YOUNGER), peer("b", "UNSET", created=OLDER)],
        "PERMISSIVE",
        "no policy: PERMISSIVE is the default",
    ),
    "another workload's policy": ([peer("other", "STRICT", app="details")], "PERMISSIVE", DEFAULT := "no policy: "),
    "another namespace's policy": ([peer("other", "STRICT", namespace="legacy")], "PERMISSIVE", DEFAULT),
    "a selector in the root namespace": (
        [peer("root", "STRICT", namespace="istio-system", app="ratings")],
        "PERMISSIVE",
        DEFAULT,
    ),
}


@pytest.mark.parametrize(("policies", "mode", "decided_by"), DECIDED.values(), ids=DECIDED)
def test_the_mode_of_a_port_and_who_decided_it(policies, mode, decided_by):
    (port,) = ports("ratings", *policies)
    assert (port.mode, port.decided_by.startswith(decided_by)) == (mode, True)
    assert port.other_clients == ("refused" if mode == "STRICT" else "accepted")


CLIENTS = {
    "by itself": ([], {}, "mutual TLS", "auto mTLS"),
    "switched off at the server": (
        [peer("here", "DISABLE")],
        {},
        "plain text",
        "auto mTLS: these pods do not take it",
    ),
    "switched off by a rule": (
        [rule("ratings", "DISABLE")],
        {},
        "plain text",
        "DestinationRule default/ratings: DISABLE",
    ),
    "asked for by a rule": (
        [rule("ratings", "ISTIO_MUTUAL")],
        {},
        "mutual TLS",
        "DestinationRule default/ratings: ISTIO_MUTUAL",
    ),
    "somebody else's TLS": ([rule("ratings", "SIMPLE")], {}, "TLS", "DestinationRule default/ratings: SIMPLE"),
    "switched off for the mesh": (
        [],
        {"enableAutoMtls": False},
        "plain text",
        "auto mTLS is off in the mesh configuration",
    ),
    "switched off for a subset": (
        [rule("ratings", "DISABLE", subset="v1")],
        {},
        "mutual TLS, plain text (subset v1)",
        "DestinationRule default/ratings: DISABLE",
    ),
}


@pytest.mark.parametrize(("objects", "mesh", "sends", "because"), CLIENTS.values(), ids=CLIENTS)
def test_what_clients_with_a_sidecar_send(objects, mesh, sends, because):
    (port,) = ports("ratings", *objects, mesh=mesh)
    assert (port.meshed_clients, port.because) == (sends, because)


PROBLEMS = {
    "nothing wrong": ("ratings", [], []),
    "plain text to STRICT": (
        "ratings",
        [peer("here", "STRICT"), rule("ratings", "DISABLE")],
        ["plain text to STRICT: every connection is refused"],
    ),
    "a client's own TLS to STRICT": (
        "ratings",
        [peer("here", "STRICT"), rule("ratings", "SIMPLE")],
        ["TLS to STRICT: every connection is refused"],
    ),
    "mutual TLS to DISABLE": (
        "ratings",
        [peer("here", "DISABLE"), rule("ratings", "ISTIO_MUTUAL")],
        ["mutual TLS to DISABLE: nobody there answers the handshake"],
    ),
    "mutual TLS to a pod without a sidecar": (
        "old.legacy",
        [rule("old.legacy.svc.cluster.local", "ISTIO_MUTUAL")],
        ["mutual TLS to no sidecar: nobody there answers the handshake"],
    ),
    "a policy that an older one hides": (
        "ratings",
        [peer("a", "STRICT"), peer("b", "DISABLE", created=YOUNGER)],
        ["PeerAuthentication default/b has no effect: default/a is older"],
    ),
    "the Service's port instead of the pods'": (
        "shop",
        [peer("own", "STRICT", app="shop", ports={80: "DISABLE"})],
        [
            "PeerAuthentication default/own: portLevelMtls 80 is the Service's port and changes nothing: "
            "the pods' port is 8080"
        ],
    ),
}


@pytest.mark.parametrize(("host", "objects", "problems"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_does_not_fit_together_is_named(host, objects, problems):
    assert [problem for port in ports(host, *objects) for problem in port.problems] == problems


def test_a_pod_without_a_sidecar_has_no_mode_and_its_clients_send_plain_text():
    (port,) = ports("old.legacy", peer("all", "STRICT", namespace="istio-system"))
    assert (port.mode, port.meshed_clients, port.other_clients) == ("no sidecar", "plain text", "accepted")


def test_what_is_sent_to_each_workload_is_told_at_once():
    snapshot = scene.snapshot(map(scene.with_namespace, [*bookinfo.objects(), *manifests.parse(LEGACY)]))
    sends = mutual_tls.sent_to_workloads(snapshot, client="default")
    assert (sends["reviews-v1"], sends["old"]) == ("mutual TLS", "plain text")


def test_each_version_of_a_service_has_a_row():
    assert [port.workload for port in ports("reviews")] == ["reviews-v3", "reviews-v2", "reviews-v1"]


# What it says, beside what the translator sends to Envoys

RECORDINGS = [answers.Answers(recording.place) for recording in (recorded.ISTIO, recorded.DRAWN)]
BY_RULE = ("tls-modes", "auto-mtls-off", "auto-mtls-off-with-istio-mutual", "destination-rule-all-mtls")
"""Cases where a rule or the mesh decides, and no policy."""


ABOUT_TLS = [
    (recording, case.name)
    for recording in RECORDINGS
    for case in recording.cases
    if case.name in BY_RULE or "kind: PeerAuthentication" in recording.recording.text(f"xds/cases/{case.name}.yaml")
]
PLACES = {"default": ("reviews", "ratings", "details"), "other": ("httpbin",)}
"""Namespace → Services of it."""


def mode_of(chains):
    """The mode that a port's chains carry out."""
    kinds = {"transport_socket" in chain for chain in chains}
    return {frozenset({True}): "STRICT", frozenset({False}): "DISABLE"}.get(frozenset(kinds), "PERMISSIVE")


def sent(config, name, address):
    """What a client's cluster sends to an address."""
    cluster = config.clusters[name]
    if "transport_socket_matches" in cluster:
        marks = [e.get("metadata") or {} for e in endpoints(config, name) if address in str(e["endpoint"])]
        is_marked = any("tlsMode" in str(mark) for mark in marks)
        return "mutual TLS" if is_marked else "plain text"
    context = (cluster.get("transport_socket") or {}).get("typed_config", {}).get("common_tls_context")
    if context is None:
        return "plain text"
    return "mutual TLS" if "tls_certificate_sds_secret_configs" in context else "TLS"


def endpoints(config, name):
    return [e for group in config.endpoints[name].get("endpoints") or () for e in group["lb_endpoints"]]


@pytest.mark.parametrize(("recording", "case"), ABOUT_TLS, ids=[name for _, name in ABOUT_TLS])
def test_it_says_what_the_envoys_are_told(recording, case):
    snapshot = scene.snapshot([*scene.base(recording.extra()), *map(scene.with_namespace, recording.input(case))])
    index, proxies = compiler.index(snapshot), scene.proxies(snapshot)
    client = index.config(proxies["productpage"])
    by_workload = {(proxy.namespace, proxy.workload): proxy for proxy in proxies.values()}
    for place, services in PLACES.items():
        for host in (f"{service}.{place}.svc.cluster.local" for service in services):
            for row in mutual_tls.of_host(snapshot, host, client="default"):
                called = by_workload[place, row.workload]
                server = index.config(called).listeners["virtualInbound"]["filter_chains"]
                by_port = [c for c in server if c.get("filter_chain_match", {}).get("destination_port") == row.port]
                assert row.mode == mode_of(by_port), host
                calls = sent(client, f"outbound|{row.service_port}||{host}", called.ip)
                assert row.meshed_clients.split(", ")[0] == calls, (host, row)
