"""An object may be named as people name it."""

import pytest

from labkit.exercises import filed
from labkit.exercises.filed import Named
from tests.exercises.conftest import Written

OBJECTS = (
    {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "reviews", "namespace": "default"}},
    {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "reviews-v1", "namespace": "default"}},
    {
        "kind": "VirtualService",
        "apiVersion": "networking.istio.io/v1",
        "metadata": {"name": "reviews", "namespace": "default"},
    },
)


@pytest.mark.parametrize(
    "text",
    [
        "service/reviews",
        "Service reviews",
        "svc/reviews",
        " services/reviews ",
        "service.v1/reviews",
        "the Service reviews",
        "Service default/reviews",
        "reviews (Service)",
        "-n default service/reviews",
        "kind: Service, name: reviews",
    ],
)
def test_a_service(text):
    assert filed.parse(text) == Named(kind="service", name="reviews")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("vs/bookinfo", "virtualservice/bookinfo", id="short"),
        pytest.param("Virtual Service bookinfo", "virtualservice/bookinfo", id="two words"),
        pytest.param("gateway.networking.istio.io/bookinfo-gateway", "gateway/bookinfo-gateway", id="with its group"),
        pytest.param("bookinfo-gateway", "/bookinfo-gateway", id="no kind"),
        pytest.param("gateway", "gateway/", id="no name"),
    ],
)
def test_other_objects(text, named):
    assert str(filed.parse(text)) == named


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("service/reviews", "", id="there"),
        pytest.param("reviews", "the kind is missing: Service and VirtualService reviews exists", id="no kind"),
        pytest.param("service/reveiws", "there is no Service reveiws; did you mean reviews?", id="misspelt"),
        pytest.param("deployment/reviews", "there is no Deployment reviews; did you mean reviews-v1?", id="nearly"),
        pytest.param("service", "service names no object", id="no name"),
        pytest.param("whatever", "whatever names no object of the cluster", id="nothing"),
    ],
)
def test_what_names_no_object(text, problem):
    told = filed.problem(filed.parse(text), Written(*OBJECTS))
    assert told.startswith(problem)
    assert bool(told) == bool(problem)
