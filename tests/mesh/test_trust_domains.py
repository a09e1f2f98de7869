"""The mesh's trust domain, and others that count as the same one, in what each side checks."""

from labkit.conformance import scene
from labkit.install import bookinfo
from labkit.mesh import compiler

MESH = {"trustDomain": "new.example", "trustDomainAliases": ["old.example"]}


def config(proxy):
    mesh = [{"kind": "MeshConfig", "apiVersion": "v1", "metadata": {"name": "mesh"}, "mesh": MESH}]
    snapshot = scene.snapshot(map(scene.with_namespace, [*bookinfo.objects(), *mesh]))
    return compiler.index(snapshot).config(scene.proxies(snapshot)[proxy])


def sans(socket):
    context = socket["typed_config"]["common_tls_context"]["combined_validation_context"]
    return [n["matcher"] for n in context["default_validation_context"]["match_typed_subject_alt_names"]]


def test_a_client_expects_a_server_of_either_domain():
    cluster = config("productpage").clusters["outbound|9080||ratings.default.svc.cluster.local"]
    (match, _) = cluster["transport_socket_matches"]
    account = "ns/default/sa/bookinfo-ratings"
    assert sans(match["transport_socket"]) == [
        {"exact": f"spiffe://new.example/{account}"},
        {"exact": f"spiffe://old.example/{account}"},
    ]


def test_a_server_takes_clients_of_either_domain():
    chains = config("ratings").listeners["virtualInbound"]["filter_chains"]
    expected = [{"prefix": "spiffe://new.example/"}, {"prefix": "spiffe://old.example/"}]
    mutual = [chain["transport_socket"] for chain in chains if "transport_socket" in chain]
    assert mutual and all(sans(socket) == expected for socket in mutual)
