"""What a waypoint and ztunnel are told, and the statuses that istiod writes, compared with a real istiod's."""

from typing import Any

import pytest

from labkit.conformance import ambient, answers, comparing, scene
from labkit.kube.resources import Object
from labkit.mesh import gateway_api
from labkit.mesh.ambient import statuses
from tests import recorded

ANSWERS = answers.Answers(recorded.AMBIENT.place, with_capture=True)
CASES = [case.name for case in ANSWERS.cases]


@pytest.fixture(scope="module")
def comparison() -> comparing.Comparison:
    return comparing.Comparison(ANSWERS)


def test_the_scene_without_any_case_is_the_recorded_one(comparison: comparing.Comparison) -> None:
    assert comparison.base().differences == ()


@pytest.mark.parametrize("case", ANSWERS.cases, ids=CASES)
def test_every_proxy_is_told_what_istio_tells_it(comparison: comparing.Comparison, case: answers.Case) -> None:
    assert comparison.outcome(case).differences == ()


@pytest.fixture(scope="module")
def base() -> list[Object]:
    return ambient.base(ANSWERS.extra())


def written(base: list[Object], case: str) -> dict[statuses.Key, Any]:
    snapshot = ambient.snapshot([*base, *map(scene.with_namespace, ANSWERS.input(case))])
    return {**gateway_api.convert(snapshot).statuses, **statuses.of(snapshot)}


@pytest.mark.parametrize("case", CASES)
def test_statuses_are_istiods_word_for_word(base: list[Object], case: str) -> None:
    ours = written(base, case)
    for entry in ANSWERS.answer(case)["status"]:
        assert ours[entry["kind"], entry["namespace"], entry["name"]] == entry["status"]


def test_istiod_creates_for_a_waypoint_what_istio_creates(base: list[Object]) -> None:
    case = "waypoint-for-workloads"
    snapshot = ambient.snapshot([*base, *map(scene.with_namespace, ANSWERS.input(case))])
    made = {
        f"{o['kind']} {o['metadata']['namespace']}/{o['metadata']['name']}": o
        for o in gateway_api.convert(snapshot).deployments
    }
    for title, there in ANSWERS.answer(case)["created_by_istiod"].items():
        ours = made[title]
        assert ours["metadata"]["labels"] == there["labels"]
        assert ours["metadata"].get("annotations", {}) == there["annotations"]
        assert {key: ours["spec"].get(key, 1) for key in there.get("spec", {})} == there.get("spec", {})
