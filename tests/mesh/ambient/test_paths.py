"""The path of a connection, in the scene of the recordings: pods of amb are ambient, those of legacy outside."""

from dataclasses import replace

import pytest

from labkit.conformance import ambient, answers
from labkit.kube import manifests
from labkit.mesh.explain import hops, participants, paths
from tests import recorded

ANSWERS = answers.Answers(recorded.AMBIENT.place)
BY_CURL = "cluster.local/ns/amb/sa/curl"


@pytest.fixture(scope="module")
def objects():
    return ambient.base(ANSWERS.extra())


@pytest.fixture
def mesh(objects):
    def with_rules(text=""):
        return paths.Paths(ambient.snapshot([*objects, *(manifests.parse(text) if text else [])]))

    return with_rules


def roles(path):
    return [hop.role for hop in path.hops]


def without_waypoint(objects):
    kept = [o for o in objects if o["kind"] != "Gateway"]
    return paths.Paths(ambient.snapshot(kept))


def policy(name, spec, namespace="amb"):
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )


def test_a_service_without_a_waypoint_is_two_ztunnels_away(objects):
    path = without_waypoint(objects).of("curl", "ratings:9080", namespace="amb")
    assert roles(path) == [hops.CLIENT, hops.ZTUNNEL, hops.ZTUNNEL, hops.SERVER]
    assert (path.hops[1].identity, path.hops[1].sends) == (BY_CURL, hops.TUNNEL)


def test_a_service_with_a_waypoint_is_called_by_the_waypoint(mesh):
    path = mesh().of("curl", "reviews:9080", namespace="amb")
    assert roles(path) == [hops.CLIENT, hops.ZTUNNEL, hops.WAYPOINT, hops.ZTUNNEL, hops.SERVER]
    assert path.hops[2].identity == "cluster.local/ns/amb/sa/waypoint"


def test_the_address_of_a_pod_goes_around_the_waypoint_and_the_path_says_so(mesh):
    drawn = mesh()
    address = drawn._called("reviews", "amb")[1]["status"]["podIP"]
    path = drawn.of("curl", f"{address}:9080", namespace="amb")
    assert roles(path) == [hops.CLIENT, hops.ZTUNNEL, hops.ZTUNNEL, hops.SERVER]
    assert "amb/waypoint is not on this path" in path.notes[0]


def test_policies_stand_where_they_are_asked(mesh):
    rules = "---\n".join(
        [
            policy(
                "at-the-pod",
                '{selector: {matchLabels: {app: reviews}}, rules: [{to: [{operation: {ports: ["9080"]}}]}]}',
            ),
            policy("at-the-waypoint", '{targetRefs: [{kind: Service, group: "", name: reviews}], rules: [{}]}'),
            policy("of-another", '{targetRefs: [{kind: Service, group: "", name: ratings}], rules: [{}]}'),
            policy("elsewhere", "{rules: [{}]}", namespace="other"),
        ]
    )
    _, _, waypoint, ztunnel, _ = mesh(rules).of("curl", "reviews:9080", namespace="amb").hops
    assert waypoint.policies == ("AuthorizationPolicy amb/at-the-waypoint",)
    assert ztunnel.policies == ("AuthorizationPolicy amb/at-the-pod",)


def test_a_policy_that_names_the_client_is_told_to_see_the_waypoint(mesh):
    source = f"{{principals: [{BY_CURL}]}}"
    spec = f"{{selector: {{matchLabels: {{app: reviews}}}}, rules: [{{from: [{{source: {source}}}]}}]}}"
    rule = policy("by-client", spec)
    assert "the caller is the waypoint" in mesh(rule).of("curl", "reviews:9080", namespace="amb").notes[0]


def test_a_pod_outside_speaks_as_nobody(mesh):
    path = mesh().of("curl", "ratings.amb:9080", namespace="legacy")
    assert roles(path)[0] == hops.CLIENT
    assert [hop.identity for hop in path.hops[:1]] == [""]
    assert not path.hops[0].is_encrypted


def test_the_same_pods_with_sidecars(mesh):
    path = mesh().of("curl", "reviews:9080", namespace="amb", as_if=participants.SIDECARS)
    assert roles(path) == [hops.CLIENT, hops.SIDECAR, hops.SIDECAR, hops.SERVER]
    assert path.hops[1].sends == hops.MUTUAL


@pytest.mark.parametrize(
    ("called", "says"),
    [
        pytest.param("nobody:80", "no Service amb/nobody", id="a Service that is not there"),
        pytest.param("10.9.8.7:80", "no pod and no Service has the address", id="an address of nobody"),
    ],
)
def test_what_nobody_knows_is_named(mesh, called, says):
    with pytest.raises(paths.UnknownError, match=says):
        mesh().of("curl", called, namespace="amb")


TUNNELS = {"name": "ISTIO_META_ENABLE_HBONE", "value": "true"}


@pytest.fixture
def snapshot(objects):
    return ambient.snapshot(objects)


def changed(snapshot, kind, name, namespace="amb", **changes):
    """The same snapshot, one object with other labels, annotations or parts of its spec."""

    def one(obj):
        meta = obj["metadata"]
        if meta.get("namespace") != namespace or not meta["name"].startswith(name):
            return obj
        of_meta = {k: {**(meta.get(k) or {}), **v} for k, v in changes.items() if k != "spec"}
        return {**obj, "metadata": {**meta, **of_meta}, "spec": {**obj["spec"], **changes.get("spec", {})}}

    return replace(snapshot, objects={**snapshot.objects, kind: [one(obj) for obj in snapshot.of(kind)]})


def with_sidecar(snapshot, name, *, env=(), labels=None):
    """One pod of amb has a sidecar and is not redirected."""
    spec = {"containers": [{"name": "app"}, {"name": "istio-proxy", "args": ["proxy", "sidecar"], "env": list(env)}]}
    marks = {"sidecar.istio.io/status": "{}", "ambient.istio.io/redirection": ""}
    own = {"security.istio.io/tlsMode": "istio", **(labels or {})}
    return changed(snapshot, "pods", name, annotations=marks, labels=own, spec=spec)


def as_gateway(snapshot, **container):
    """Pod curl of amb is a gateway's."""
    proxy = {"name": "istio-proxy", "args": ["proxy", "router"], **container}
    return changed(snapshot, "pods", "curl", spec={"containers": [proxy]})


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        pytest.param("true", [hops.GATEWAY, hops.WAYPOINT, hops.ZTUNNEL, hops.SERVER], id="by the waypoint"),
        pytest.param("false", [hops.GATEWAY, hops.ZTUNNEL, hops.SERVER], id="without the label directly"),
    ],
)
def test_a_gateway_goes_to_the_waypoint_where_the_service_asks_for_it(snapshot, label, expected):
    labelled = changed(
        as_gateway(snapshot, env=[TUNNELS]), "services", "reviews", labels={"istio.io/ingress-use-waypoint": label}
    )
    path = paths.Paths(labelled).of("curl.amb", "reviews:9080", namespace="amb")
    assert roles(path) == expected
    assert all(hop.sends == hops.TUNNEL for hop in path.hops[:-2])
    assert any("ingress-use-waypoint" in note for note in path.notes) == (label == "false")


def test_a_gateway_without_tunnels_sends_plain_text_and_the_path_says_why(snapshot):
    path = paths.Paths(as_gateway(snapshot)).of("curl", "reviews:9080", namespace="amb")
    assert (path.hops[0].sends, path.hops[0].identity) == (hops.IN_THE_OPEN, "")
    assert "kubectl -n amb delete pod" in path.notes[-1]


@pytest.mark.parametrize(
    ("labels", "sends"),
    [
        pytest.param({"networking.istio.io/tunnel": "http"}, hops.TUNNEL, id="a sidecar that takes tunnels"),
        pytest.param({}, hops.IN_THE_OPEN, id="an older sidecar"),
    ],
)
def test_ztunnel_and_waypoint_speak_hbone_to_a_sidecar_or_plain_text(snapshot, labels, sends):
    path = paths.Paths(with_sidecar(snapshot, "reviews", labels=labels)).of("curl", "reviews:9080", namespace="amb")
    assert roles(path) == [hops.CLIENT, hops.ZTUNNEL, hops.WAYPOINT, hops.SIDECAR, hops.SERVER]
    assert [hop.sends for hop in path.hops[1:3]] == [hops.TUNNEL, sends]


def test_a_sidecar_calls_pods_of_ambient_by_hbone_and_not_by_their_waypoint(snapshot):
    path = paths.Paths(with_sidecar(snapshot, "curl", env=[TUNNELS])).of("curl", "reviews:9080", namespace="amb")
    assert roles(path) == [hops.CLIENT, hops.SIDECAR, hops.ZTUNNEL, hops.SERVER]
    assert path.hops[1].sends == hops.TUNNEL
    assert path.notes[0].startswith("A client with a sidecar calls the pods directly")


def test_a_client_outside_the_mesh_is_told_that_nobody_asks_the_waypoint(mesh):
    path = mesh().of("curl", "reviews.amb:9080", namespace="legacy")
    assert "outside the mesh" in path.notes[0] and hops.WAYPOINT not in roles(path)


def test_a_service_without_an_address_is_called_past_its_waypoint(snapshot):
    headless = changed(snapshot, "services", "reviews", spec={"clusterIP": "None", "clusterIPs": ["None"]})
    path = paths.Paths(headless).of("curl", "reviews:9080", namespace="amb")
    assert hops.WAYPOINT not in roles(path) and "clusterIP: None" in path.notes[0]


def test_the_address_of_a_service_is_called_as_the_service(mesh):
    drawn = mesh()
    address = drawn._called("reviews", "amb")[0]["spec"]["clusterIP"]
    assert hops.WAYPOINT in roles(drawn.of("curl", f"{address}:9080", namespace="amb"))
