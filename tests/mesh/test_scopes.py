"""What a workload sees of the mesh, and which of several rules for one host it follows."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from labkit.conformance import answers, scene
from labkit.mesh import compiler
from labkit.mesh.model import Config
from tests import recorded

ISTIO = "networking.istio.io/v1"
RATINGS, REVIEWS = "ratings.default.svc.cluster.local", "reviews.default.svc.cluster.local"


@cache
def base() -> list[dict[str, Any]]:
    return scene.base(answers.Answers(recorded.ISTIO.place).extra())


def config(text: str, proxy: str) -> Config:
    applied = [scene.with_namespace({"apiVersion": ISTIO, **obj}) for obj in yaml.safe_load_all(text)]
    snapshot = scene.snapshot([*base(), *applied])
    return compiler.index(snapshot).config(scene.proxies(snapshot)[proxy])


def subsets(told: Config, host: str = REVIEWS) -> set[str]:
    """The subsets that any route to a host leads to."""
    return {c.split("|")[2] for c in clusters_in(dict(told.routes)) if c.endswith(f"|{host}")}


def clusters_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("cluster"), str):
            yield value["cluster"]
        for inner in value.values():
            yield from clusters_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from clusters_in(inner)


def rule(name: str, subset: str, *, namespace: str = "default", export: str = "", match: str = "{}") -> str:
    return f"""
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{REVIEWS}]
  {f"exportTo: ['{export}']" if export else ""}
  http: [{{match: [{match}], route: [{{destination: {{host: {REVIEWS}, subset: {subset}}}}}]}}]
"""


ORDERS = {
    "the older": ([rule("a", "v1"), rule("b", "v2")], "v1"),
    "a private one before an older public one": ([rule("a", "v1"), rule("b", "v2", export=".")], "v2"),
    "one of the own namespace by its name": ([rule("a", "v1"), rule("b", "v2", export="default")], "v2"),
    "one exported to the namespace before an older public one": (
        [rule("a", "v1"), rule("b", "v2", namespace="other", export="default")],
        "v2",
    ),
    "a private one before one that is exported to the namespace": (
        [rule("a", "v1", namespace="other", export="default"), rule("b", "v2", export=".")],
        "v2",
    ),
    "the next where no rule of the first is for the workload": (
        [rule("a", "v1", match="{sourceLabels: {app: curl}}"), rule("b", "v2")],
        "v2",
    ),
}


@pytest.mark.parametrize(("rules", "expected"), ORDERS.values(), ids=list(ORDERS))
def test_of_several_rules_for_a_host_one_counts(rules: list[str], expected: str) -> None:
    assert subsets(config("---".join(rules), "productpage")) == {expected}


SIDECAR = """
kind: Sidecar
metadata: {name: narrow, namespace: other}
spec: {egress: [{hosts: [other/*, default/reviews.default.svc.cluster.local]}]}
---
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{MATCH route: [{destination: {host: ratings, PORT}}]}]
"""

IMPORTS = {
    "a destination": ("", "", True),
    "a destination by its port": ("", "port: {number: 9080}", True),
    "no destination at a port that it has not": ("", "port: {number: 8000}", False),
    "a destination of a rule for its namespace": ("match: [{sourceNamespace: other}],", "", True),
    "no destination of a rule for another namespace": ("match: [{sourceNamespace: default}],", "", False),
    "a destination of a rule with one match for it": ("match: [{sourceNamespace: default}, {port: 9080}],", "", True),
}


@pytest.mark.parametrize(("match", "port", "is_imported"), IMPORTS.values(), ids=list(IMPORTS))
def test_a_sidecar_imports_with_a_rule_what_it_sends_to(match: str, port: str, is_imported: bool) -> None:
    told = config(SIDECAR.replace("MATCH", match).replace("PORT", port), "other/curl")
    assert (f"outbound|9080||{RATINGS}" in told.clusters) is is_imported


def test_an_egress_with_a_port_lists_only_hosts_that_have_it() -> None:
    text = """
kind: Sidecar
metadata: {name: narrow}
spec: {egress: [{port: {number: 9080, protocol: HTTP, name: http}, hosts: ['*/*']}]}
"""
    ports = {name.split("|")[1] for name in config(text, "curl").clusters if name.startswith("outbound|")}
    assert ports == {"9080"}


def policies(first: str, second: str) -> str:
    return f"""
kind: DestinationRule
metadata: {{name: a}}
spec: {{host: reviews, {first} subsets: [{{name: v1, labels: {{version: v1}}}}]}}
---
kind: DestinationRule
metadata: {{name: b}}
spec: {{host: reviews, {second} subsets: [{{name: v2, labels: {{version: v2}}}}]}}
"""


MERGES = {
    "both without exportTo": ("", "", {"v1", "v2"}),
    "both with the same": ("exportTo: ['*'],", "exportTo: ['*'],", {"v1", "v2"}),
    "one says the default": ("", "exportTo: ['*'],", {"v2"}),
}


@pytest.mark.parametrize(("first", "second", "expected"), MERGES.values(), ids=list(MERGES))
def test_destination_rules_become_one_if_they_are_exported_alike(first: str, second: str, expected: set[str]) -> None:
    told = config(policies(first, second), "productpage")
    assert {name.split("|")[2] for name in told.clusters if name.endswith(REVIEWS)} - {""} == expected


def test_a_destination_rule_for_some_callers_says_nothing_of_what_comes_in_for_them() -> None:
    text = """
kind: DestinationRule
metadata: {name: a}
spec:
  host: productpage
  workloadSelector: {matchLabels: {app: productpage}}
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}
"""
    clusters = config(text, "productpage").clusters
    limited = {name for name, c in clusters.items() if "'max_connections': 7" in str(c.get("circuit_breakers"))}
    assert limited == {"outbound|9080||productpage.default.svc.cluster.local"}
