"""The path of a connection, in the scene of the recordings: pods of amb are ambient, those of legacy outside."""

import pytest

from labkit.conformance import ambient, answers
from labkit.kube import manifests
from labkit.mesh.explain import hops, paths
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
    path = mesh().of("curl", "reviews:9080", namespace="amb", as_if=paths.SIDECARS)
    assert roles(path) == [hops.CLIENT, hops.SIDECAR, hops.SIDECAR, hops.SERVER]
    assert path.hops[1].sends == hops.MUTUAL


@pytest.mark.parametrize(
    ("called", "says"),
    [
        pytest.param("nobody:80", "no Service amb/nobody", id="a Service that is not there"),
        pytest.param("10.9.8.7:80", "no pod has the address", id="an address of nobody"),
    ],
)
def test_what_nobody_knows_is_named(mesh, called, says):
    with pytest.raises(paths.UnknownError, match=says):
        mesh().of("curl", called, namespace="amb")
