"""Exercise 04-3: what is seen through a door of the Gateway API, and the reason that is named."""

import pytest

from labkit.exercises import second_door
from labkit.kube import manifests
from tests.exercises.conftest import Made

SERVICE = {"kind": "Service", "metadata": {"name": second_door.SERVICE}}
FIT = (200, 200, 404)
PATHS = (second_door.API, second_door.BELOW, second_door.PAGE)


def judged(*objects, statuses=FIT):
    """When the three paths are answered so, through this door and no other."""
    sent = {f"{second_door.DOOR}{path}": status for path, status in zip(PATHS, statuses, strict=True)}
    return second_door.EXERCISE.judge(Made(*objects, sent=sent))


def written(**spec):
    """The door and the way of the solution, with other words in the door's spec."""
    door, way = manifests.parse(second_door.EXERCISE.solution)
    return {**door, "spec": {**door["spec"], **spec}}, way


def saying(kind, status):
    """The solution, and a route that says this of itself."""
    door, way = written()
    parent = {"parentRef": {"name": second_door.DOOR}, "conditions": [{"type": kind, "status": status, "message": "x"}]}
    return door, {**way, "status": {"parents": [parent]}}, SERVICE


def test_it_is_passed_by_what_traffic_shows():
    found = judged(*written(), SERVICE)
    assert (found.passed, found.observed) == (
        True,
        "through products: /api/v1/products 200, /api/v1/products/0/reviews 200, /productpage 404",
    )


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        pytest.param((), "nothing is applied so far", id="nothing"),
        pytest.param(manifests.parse(second_door.ISTIOS), "of Istio's API", id="the other API"),
        pytest.param(written(gatewayClassName="nginx"), "the class nginx", id="another class"),
        pytest.param(written(listeners=[{"port": 8080}]), "listens at port 8080", id="another port"),
        pytest.param(written(listeners=[]), "listens at no port", id="no listener"),
        pytest.param(written(), "there is no Service products-istio", id="not made yet"),
    ],
)
def test_a_door_that_is_not_there(objects, said):
    found = judged(*objects)
    assert (found.passed, said in f"{found.observed} {found.cause}") == (False, True)


@pytest.mark.parametrize(
    ("statuses", "cause"),
    [
        pytest.param((0, 0, 0), "nobody listens", id="not ready"),
        pytest.param((200, 200, 200), "takes /productpage too", id="the whole shop"),
        pytest.param((200, 404, 404), "Exact is this path alone", id="one path"),
        pytest.param((404, 404, 404), "no rule takes /api/v1/products", id="another path"),
        pytest.param((503, 503, 404), "nobody answers behind it", id="no pods"),
    ],
)
def test_a_way_that_leads_elsewhere(statuses, cause):
    found = judged(*written(), SERVICE, statuses=statuses)
    assert (found.passed, cause in found.cause) == (False, True)


def test_a_way_for_another_door_is_not_bound():
    door, way = written()
    other = {**way, "spec": {**way["spec"], "parentRefs": [{"name": "bookinfo-gateway"}]}}
    assert "parentRefs have to name it" in judged(door, other, SERVICE, statuses=(404, 404, 404)).cause


def test_a_route_speaks_for_itself():
    found = judged(*saying("ResolvedRefs", "False"), statuses=(500, 500, 404))
    assert found.cause == "HTTPRoute products says ResolvedRefs=False: x"


def test_a_route_without_complaint_is_judged_by_its_answers():
    assert "Exact" in judged(*saying("Accepted", "True"), statuses=(200, 404, 404)).cause
