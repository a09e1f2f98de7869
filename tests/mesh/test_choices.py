"""Which rule speaks for a host, and what of a policy counts."""

from typing import Any

import pytest

from labkit.mesh.hosts import visibility
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.routes import actions
from labkit.mesh.upstreams import traffic_policy
from labkit.mesh.upstreams.destination_rules import Rules

HOST = "web.default.svc.cluster.local"


def rule(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": HOST, **spec}}


def chosen(*rules: dict[str, Any], client: str = "default", labels: dict[str, str] | None = None) -> str | None:
    parsed = Rules(Snapshot(objects={"destinationrules.networking.istio.io": rules}), Memo())
    text = parsed.for_host(HOST, "default", client=client, labels=labels or {})
    return text.name if text else None


def test_the_clients_namespace_speaks_before_the_services_and_that_before_the_root() -> None:
    client, service, root = rule("c", "other"), rule("s"), rule("r", "istio-system")
    assert chosen(client, service, root, client="other") == "c"
    assert chosen(service, root, client="other") == "s"
    assert chosen(root, client="other") == "r"


def test_a_gateway_in_the_root_namespace_asks_the_services_first() -> None:
    assert chosen(rule("s"), rule("r", "istio-system"), client="istio-system") == "s"


def test_the_very_name_speaks_before_a_wildcard() -> None:
    assert chosen(rule("wide", host="*.local"), rule("exact")) == "exact"


def test_a_rule_for_some_workloads_is_for_them_only() -> None:
    own = rule("own", workloadSelector={"matchLabels": {"app": "x"}})
    assert chosen(own, rule("rest"), labels={"app": "x"}) == "own"
    assert chosen(own, rule("rest"), labels={"app": "y"}) == "rest"


def test_of_two_rules_subsets_join_and_the_first_policy_stays() -> None:
    first = rule("a", subsets=[{"name": "v1", "labels": {"v": "1"}}], trafficPolicy={"tls": {"mode": "DISABLE"}})
    second = rule("b", subsets=[{"name": "v1"}, {"name": "v2"}], trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    rules = Rules(Snapshot(objects={"destinationrules.networking.istio.io": [first, second]}), Memo())
    result = rules.for_host(HOST, "default", client="default", labels={})
    assert result is not None
    assert [s["name"] for s in result.subsets] == ["v1", "v2"]
    assert result.subsets[0]["labels"] == {"v": "1"}
    assert result.policy == {"tls": {"mode": "DISABLE"}}


def test_a_port_entry_inherits_nothing() -> None:
    policy = {
        "tls": {"mode": "DISABLE"},
        "portLevelSettings": [{"port": {"number": 1}, "loadBalancer": {"simple": "RANDOM"}}],
    }
    assert traffic_policy.for_port(policy, 1) == {"loadBalancer": {"simple": "RANDOM"}}
    assert traffic_policy.for_port(policy, 2) == {"tls": {"mode": "DISABLE"}}


def test_a_subset_says_field_by_field() -> None:
    host, subset = {"tls": {"mode": "DISABLE"}, "outlierDetection": {}}, {"tls": {"mode": "ISTIO_MUTUAL"}}
    assert traffic_policy.for_subset(host, subset, 1) == {"tls": {"mode": "ISTIO_MUTUAL"}, "outlierDetection": {}}


@pytest.mark.parametrize(
    ("labels", "client", "seen"),
    [
        (["."], "default", True),
        (["."], "other", False),
        (["*"], "other", True),
        (["~"], "default", False),
        (None, "x", True),
    ],
    ids=["own", "not-elsewhere", "all", "nobody", "by-default"],
)
def test_export_to_decides_who_sees(labels: list[str] | None, client: str, seen: bool) -> None:
    assert visibility.is_for(visibility.audience(labels, "default"), client) is seen


def test_codes_are_retried_by_a_list_of_their_own() -> None:
    assert actions.retry_words("5xx,503,429") == ("5xx,retriable-status-codes", (503, 429))
    assert actions.retries({"attempts": 0}) is None


def test_a_memo_keeps_what_was_made_of_the_same_parts() -> None:
    part, created = object(), []
    first = Memo()
    first.get("key", (part,), lambda: created.append(1))
    second = Memo(first)
    second.get("key", (part,), lambda: created.append(2))
    second.get("key", (object(),), lambda: created.append(3))
    assert created == [1, 3]
