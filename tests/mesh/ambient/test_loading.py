"""A real Envoy takes all that a waypoint is told, in every recorded scene."""

from dataclasses import replace

import pytest

from labkit.conformance import ambient, answers, scene
from labkit.mesh import compiler
from tests import recorded
from tests.mesh import envoys

ANSWERS = answers.Answers(recorded.AMBIENT.place)
CHANGING = [c.name for c in ANSWERS.cases if any(p != ambient.ZTUNNEL for p in ANSWERS.answer(c.name)["proxies"])]


@pytest.mark.parametrize("case", CHANGING)
def test_envoy_takes_a_waypoint(sidecar: envoys.Judge, case: str) -> None:
    applied = map(scene.with_namespace, ANSWERS.input(case))
    snapshot = envoys.numbered(ambient.snapshot([*ambient.base(ANSWERS.extra()), *applied]))
    index = compiler.index(snapshot)
    for name, proxy in scene.proxies(snapshot).items():
        if proxy.role == "waypoint":
            verdict = sidecar.judge(index.for_proxy(sidecar.proxy(proxy)))
            assert verdict.refused == {}, name


@pytest.mark.parametrize("labels", [pytest.param(None, id="with a port"), pytest.param({}, id="without ports")])
def test_envoy_takes_a_sidecar_that_sends_and_takes_tunnels(
    sidecar: envoys.Judge, labels: dict[str, str] | None
) -> None:
    snapshot = envoys.numbered(ambient.snapshot(ambient.base(ANSWERS.extra())))
    proxy = replace(scene.proxies(snapshot)["ratings"], metadata={"ENABLE_HBONE": "true"})
    if labels is not None:
        proxy = replace(proxy, name="alone", labels=labels, ip="127.66.9.9")
    verdict = sidecar.judge(compiler.index(snapshot).for_proxy(sidecar.proxy(proxy)))
    # The scene's API server has a name for an address, which Envoy refuses.
    assert {name: why for name, why in verdict.refused.items() if "kubernetes.default" not in name[1]} == {}
