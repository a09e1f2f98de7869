"""What policies say about one caller: the reason for which its open connections live on or end."""

import random

import pytest

from labkit.mesh.ambient import authorizations, decisions, verdicts
from labkit.mesh.ambient.tables import Tables
from tests.mesh.ambient import drawn

CURL, OTHER = "cluster.local/ns/amb/sa/curl", "cluster.local/ns/amb/sa/other"
POD, IP, PORT = "Kubernetes//Pod/amb/pod-0", "10.1.0.9", 9080


def policy(*rules, action="ALLOW", name="p"):
    metadata = {"name": name, "namespace": "amb"}
    return authorizations.of(
        {"metadata": metadata, "spec": {"action": action, "rules": list(rules)}}, "istio-system"
    ).authorization


def source(**fields):
    return {"from": [{"source": fields}]}


def verdict(policies, principal, port=PORT):
    return verdicts.verdict(policies, verdicts.Caller(principal=principal, address=IP, port=port))


DENY_OTHER = policy(source(principals=[OTHER]), action="DENY")
ALLOW_CURL = policy(source(principals=[CURL]))
ALLOW_ALL = policy({})
NOTHING = policy()
PORT_ONLY = policy({"to": [{"operation": {"ports": ["9090"]}}]}, action="DENY")


@pytest.mark.parametrize(
    ("policies", "curl", "other"),
    [
        pytest.param([], verdicts.ALLOWED, verdicts.ALLOWED, id="no policy"),
        pytest.param([DENY_OTHER], verdicts.ALLOWED, verdicts.REFUSED, id="one denied"),
        pytest.param([ALLOW_CURL], verdicts.ALLOWED, verdicts.REFUSED, id="one allowed"),
        pytest.param([ALLOW_ALL, DENY_OTHER], verdicts.ALLOWED, verdicts.REFUSED, id="all but one"),
        pytest.param([NOTHING], verdicts.REFUSED, verdicts.REFUSED, id="nothing allowed"),
        pytest.param([PORT_ONLY], verdicts.ALLOWED, verdicts.ALLOWED, id="another port"),
    ],
)
def test_an_identity_settles_the_verdict(policies, curl, other):
    assert (verdict(policies, CURL), verdict(policies, OTHER)) == (curl, other)


def test_conditions_on_addresses_stay_open_and_only_they_change_the_verdict():
    def by_address(block, principal=CURL):
        return policy(source(principals=[principal], ipBlocks=[block]))

    one, other = verdict([by_address("10.0.0.0/8")], CURL), verdict([by_address("10.1.0.0/16")], CURL)
    assert len({one, other, verdicts.ALLOWED, verdicts.REFUSED}) == 4
    assert verdict([by_address("10.0.0.0/8", OTHER)], CURL) == verdicts.REFUSED
    harmless = policy(source(principals=["x/ns/y/sa/z"]), action="DENY", name="harmless")
    assert verdict([by_address("10.0.0.0/8"), harmless], CURL) == one


def test_a_settled_verdict_is_what_every_connection_of_the_caller_meets():
    draw = drawn.Draw(random=random.Random("verdicts"), ranges=drawn.ranges(66))
    settled = 0
    for _ in range(300):
        every = [p for p in drawn.policies(draw, ["pod-0"]) if p["kind"] == "AuthorizationPolicy"]
        converted = [authorizations.of(p, "istio-system") for p in every]
        named = {
            f"{c.authorization['namespace']}/{c.authorization['name']}": c.authorization
            for c in converted
            if c.authorization
        }
        row = {
            "namespace": "amb",
            "authorizationPolicies": [k for k, p in named.items() if p.get("scope") == authorizations.SELECTOR],
        }
        tables = Tables(workloads={POD: row}, services={}, policies=named)
        policies = list(decisions.asked(tables, POD).values())
        for account in drawn.ACCOUNTS:
            principal = "cluster.local/ns/{}/sa/{}".format(*account.split("/"))
            text = verdict(policies, principal)
            if text not in (verdicts.ALLOWED, verdicts.REFUSED):
                continue
            settled += 1
            for ip in ("127.66.0.2", "127.66.1.200", "10.9.9.9"):
                asked = decisions.Connection(
                    principal=principal, source_ip=ip, destination_ip=IP, destination_port=PORT
                )
                assert decisions.decide(tables, POD, asked).is_allowed == (text == verdicts.ALLOWED)
    assert settled > 100
