"""A real Envoy takes all that a waypoint is told, in every recorded scene."""

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
