"""What is explained of drawn requests is what a real Envoy does with them: closed, answered, or sent to a cluster."""

import random
from dataclasses import replace
from functools import cache

import pytest

from labkit.conformance import answers, scene
from labkit.mesh import compiler, sandboxed
from labkit.mesh.explain import explanations
from labkit.mesh.explain.explanations import Explanation, Request
from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent
from tests import recorded
from tests.mesh import answering, asking, envoys

REFUSED = "the connection is refused"
CASES = (
    ("istio", "match-uri-kinds", "curl"),
    ("istio", "match-headers-of-every-kind", "curl"),
    ("istio", "match-query-method-authority-scheme", "curl"),
    ("istio", "redirect-kinds", "curl"),
    ("istio", "sidecar-registry-only", "curl"),
    ("istio", "service-entry-https-port", "curl"),
    ("istio", "route-matches", "ingressgateway"),
    ("istio", "gateway-https-redirect", "ingressgateway"),
    ("istio", "gateway-tls-passthrough", "ingressgateway"),
    ("istio-drawn", "drawn-kgateway-7-037", "productpage"),
)
REQUESTS = 20
"""Of each proxy."""


@pytest.fixture(scope="module")
def block():
    if agent.envoy() is None:
        pytest.skip("there is no Envoy for this platform")
    with addresses.hold_block() as held:
        yield held


@cache
def recordings(archive):
    told = answers.Answers(recorded.ANSWERS / f"{archive}.tar.xz")
    return told, scene.base(told.extra())


def config_of(archive, case, proxy, block):
    """What one proxy of a recorded scene has, as if it ran at an address of the block."""
    told, base = recordings(archive)
    snapshot = envoys.numbered(scene.snapshot([*base, *map(scene.with_namespace, told.input(case))]))
    place = sandboxed.Place(ip=block.pod(2), node_ip=block.pod(3))
    placed = replace(scene.proxies(snapshot)[proxy], ip=place.ip, place=place)
    return compiler.index(snapshot).for_proxy(placed)


def explained(config, sent):
    scheme = "https" if sent.connection.is_tls else "http"
    request = Request(host=sent.host, path=sent.path, method=sent.method, headers=sent.headers, scheme=scheme)
    return explanations.explain(config, request, connection=sent.connection)


@pytest.mark.parametrize(("archive", "case", "proxy"), CASES, ids=[case for _, case, _ in CASES])
def test_envoy_does_what_is_explained(archive, case, proxy, block, tmp_path):
    config = config_of(archive, case, proxy, block)
    requests = list(asking.drawn(config, random.Random(case), REQUESTS))
    told = answering.answers(config, requests, tmp_path, block.pod(2))
    pairs = [(sent, explained(config, sent), answer) for sent, answer in zip(requests, told, strict=True)]
    assert [(differs(way, answer), sent, answer) for sent, way, answer in pairs if differs(way, answer)] == []


def differs(explained: Explanation, answer: answering.Answer) -> str:
    """What of an explanation Envoy does not do; empty where they agree."""
    clusters = {d.cluster for d in explained.destinations if d.percent > 0}
    missing = {d.cluster for d in explained.destinations if not d.exists}
    is_closed = not answer.code and not answer.cluster
    if explained.answer in (explanations.CLOSED, REFUSED):
        return "" if answer.code in (0, 400) and answer.cluster in ("", explanations.BLACK_HOLE) else "it is not closed"
    if is_closed:
        return "it is closed"
    if explained.is_tcp:
        return "" if answer.cluster in clusters else "another cluster takes the bytes"
    if explained.index >= 0 and explained.route != answer.route:
        return "another route"
    if explained.answer:
        code = explained.answer if explained.answer.isdigit() else "30"
        return "" if str(answer.code).startswith(code) else "another answer"
    if answer.details == "cluster_not_found":
        return "" if missing else "the cluster does not exist"
    return "" if answer.cluster in clusters else "another cluster"
