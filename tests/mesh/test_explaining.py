"""Where a request goes, and why."""

from pathlib import Path
from typing import Any

import pytest

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import compiler
from labkit.mesh.api import unsupported
from labkit.mesh.explain import explanations, matching
from labkit.mesh.model import Config

GOLDEN = Path(__file__).with_name("golden")


def config(case: str, proxy: str = "client") -> Config:
    objects = [*manifests.read(GOLDEN / "scene.yaml"), *manifests.read(GOLDEN / case / "in.yaml")]
    mesh = scene.snapshot(map(scene.with_namespace, objects))
    return compiler.index(mesh).for_proxy(scene.proxies(mesh)[proxy])


def explained(case: str, host: str, path: str = "/", proxy: str = "client", **headers: str) -> explanations.Explanation:
    request = explanations.Request(host=host, path=path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return explanations.explain(config(case, proxy), request)


def test_a_host_without_rules_goes_to_all_of_its_endpoints() -> None:
    explanation = explained("a-mesh-without-rules", "web:8080")
    assert (explanation.virtual_host, explanation.route, explanation.index) == (
        "web.default.svc.cluster.local:8080",
        "default",
        0,
    )
    assert explanation.destinations[0].endpoints == ("POD(web-v1):80", "POD(web-v2):80")
    assert explanation.sources == ()


def test_weights_are_told_in_percent_with_the_objects_behind_them() -> None:
    explanation = explained("nine-of-ten-requests-go-to-one-version", "web:8080")
    assert [(d.cluster.split("|")[2], d.percent) for d in explanation.destinations] == [("v1", 90), ("v2", 10)]
    assert [str(s) for s in explanation.sources] == ["VirtualService default/web", "DestinationRule default/web"]


def test_what_a_request_lacks_for_an_earlier_route_is_told() -> None:
    explanation = explained("a-header-picks-the-version", "web:8080", end_user="Jason")
    assert explanation.index == 2
    assert explanation.passed[0] == "testers: header end-user is not jason"


def test_a_request_with_the_header_takes_the_first_route() -> None:
    explanation = explained("a-header-picks-the-version", "web.default:8080", end_user="jason")
    assert (explanation.route, explanation.index) == ("testers", 0)


def test_a_query_may_decide() -> None:
    assert explained("a-header-picks-the-version", "web:8080", "/x?beta=yes").index == 1


def test_an_answer_of_the_proxy_itself_is_told() -> None:
    assert explained("paths-are-rewritten-redirected-and-answered", "web:8080", "/teapot").answer == "418"
    assert (
        explained("paths-are-rewritten-redirected-and-answered", "web:8080", "/moved").answer
        == "redirect to https /here"
    )


def test_a_host_that_no_gateway_serves_is_404() -> None:
    explanation = explained("the-gateway-ends-tls-for-one-host", "nosuch.example.com", proxy="entry")
    assert (explanation.answer, explanation.virtual_host, explanation.index) == ("404", "", -1)


def test_a_host_outside_the_mesh_is_looked_up() -> None:
    explanation = explained("a-mesh-without-rules", "example.org")
    assert [d.cluster for d in explanation.destinations] == ["PassthroughCluster"]


def test_a_subset_that_nobody_defined_is_a_cluster_that_does_not_exist() -> None:
    created = config("nine-of-ten-requests-go-to-one-version")
    without = Config(clusters={}, listeners=created.listeners, routes=created.routes)
    explanation = explanations.explain(without, explanations.Request(host="web:8080"))
    assert not any(d.exists for d in explanation.destinations)


@pytest.mark.parametrize(
    ("match", "path", "fits"),
    [
        ({"prefix": "/a"}, "/ab", True),
        ({"path_separated_prefix": "/a"}, "/ab", False),
        ({"path_separated_prefix": "/a"}, "/a/b", True),
        ({"path": "/A", "case_sensitive": False}, "/a", True),
        ({"safe_regex": {"regex": "/n/[0-9]+"}}, "/n/1/x", False),
    ],
    ids=["prefix", "not-by-elements", "by-elements", "any-case", "the-whole-path"],
)
def test_paths_fit_as_in_envoy(match: dict[str, Any], path: str, fits: bool) -> None:
    assert (not matching.lacks(match, matching.Request(host="x", path=path))) is fits


def test_a_field_without_effect_is_named_with_its_place() -> None:
    text = {"loadBalancer": {"localityLbSetting": {"distribute": [{"from": "a"}]}}}
    findings = unsupported.findings(
        {"kind": "DestinationRule", "spec": {"subsets": [{"name": "v1"}, {"name": "v2", "trafficPolicy": text}]}}
    )
    assert len(findings) == 1
    assert findings[0].startswith(
        "spec.subsets[1].trafficPolicy.loadBalancer.localityLbSetting.distribute has no effect"
    )


def test_what_is_carried_out_is_not_complained_about() -> None:
    for case in sorted(p for p in GOLDEN.iterdir() if p.is_dir()):
        assert [f for o in manifests.read(case / "in.yaml") for f in unsupported.findings(o)] == []
