"""Who gets past ztunnel, policy by policy."""

import pytest

from labkit.mesh.ambient import authorizations, decisions
from labkit.mesh.ambient.decisions import Connection
from labkit.mesh.ambient.tables import Tables

POD = "Kubernetes//Pod/amb/ratings"
REVIEWS = Connection(
    principal="cluster.local/ns/amb/sa/reviews", source_ip="10.1.0.5", destination_ip="10.1.0.9", destination_port=9080
)
STRANGER = Connection(source_ip="10.2.0.7", destination_ip="10.1.0.9", destination_port=9080)


def policy(rules, *, action="ALLOW", selector="ratings", namespace="amb", name="p"):
    chosen = {"selector": {"matchLabels": {"app": selector}}} if selector else {}
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "spec": {**chosen, "action": action, "rules": rules}}


def source(**fields):
    return [{"from": [{"source": fields}]}]


def to(**fields):
    return [{"to": [{"operation": fields}]}]


def decide(policies, connection):
    converted = [authorizations.of(p, "istio-system") for p in policies]
    named = {f"{c.authorization['namespace']}/{c.authorization['name']}": c.authorization for c in converted}
    own = [key for key, p in named.items() if p.get("scope") == authorizations.SELECTOR]
    row = {"namespace": "amb", "authorizationPolicies": own}
    return decisions.decide(Tables(workloads={POD: row}, services={}, policies=named), POD, connection)


CASES = [
    ("no policy at all", [], True, True),
    ("nothing is allowed", [policy([])], False, False),
    ("everything is allowed", [policy([{}])], True, True),
    ("a principal", [policy(source(principals=["cluster.local/ns/amb/sa/reviews"]))], True, False),
    ("another principal", [policy(source(principals=["cluster.local/ns/amb/sa/curl"]))], False, False),
    ("any principal", [policy(source(principals=["*"]))], True, False),
    ("a suffix", [policy(source(principals=["*/sa/reviews"]))], True, False),
    ("a service account", [policy(source(serviceAccounts=["reviews"]))], True, False),
    ("a service account of another namespace", [policy(source(serviceAccounts=["other/reviews"]))], False, False),
    ("a namespace", [policy(source(namespaces=["am*"]))], True, False),
    ("all but a namespace", [policy(source(notNamespaces=["amb"]))], False, True),
    ("a range of addresses", [policy(source(ipBlocks=["10.2.0.0/16"]))], False, True),
    ("a port", [policy(to(ports=["9080"]))], True, True),
    ("another port", [policy(to(ports=["80"]))], False, False),
    ("a method, which ztunnel does not know", [policy(to(methods=["GET"]))], False, False),
    ("deny beats allow", [policy([{}]), policy(source(namespaces=["amb"]), action="DENY", name="d")], False, True),
    ("a DENY of nothing but a method matches nothing", [policy(to(methods=["GET"]), action="DENY")], True, True),
    ("of another namespace", [policy([], namespace="other", selector="")], True, True),
    ("of the whole namespace", [policy([], selector="")], False, False),
    ("of the whole mesh", [policy([], selector="", namespace="istio-system")], False, False),
]


@pytest.mark.parametrize(("policies", "reviews", "stranger"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_who_gets_in(policies, reviews, stranger):
    assert decide(policies, REVIEWS).is_allowed is reviews
    assert decide(policies, STRANGER).is_allowed is stranger


def test_the_policy_that_decided_is_named():
    decision = decide([policy(source(namespaces=["amb"]), action="DENY", name="closed")], REVIEWS)
    assert (decision.policy, decision.action) == ("amb/closed", "DENY")


def test_where_no_allow_matches_nobody_is_named():
    assert decide([policy(source(namespaces=["other"]))], REVIEWS).policy == ""
