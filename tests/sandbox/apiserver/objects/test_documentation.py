"""The API's own words, as the installed client has them."""

import pytest

from labkit.sandbox.apiserver.objects import documentation


@pytest.mark.parametrize(
    ("component", "field", "begins"),
    [
        ("io.k8s.api.apps.v1.DeploymentSpec", "replicas", "Number of desired pods."),
        ("io.k8s.api.core.v1.ServiceSpec", "clusterIP", "clusterIP is the IP address of the service"),
        ("io.k8s.api.core.v1.Event", "involvedObject", ""),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "labels", "Map of string keys and values"),
    ],
    ids=["plain", "with an alias", "another type", "of the machinery"],
)
def test_a_field_is_described_by_its_name_in_json(component, field, begins):
    assert documentation.component(component).fields.get(field, "").startswith(begins)


def test_a_type_is_described_without_what_is_about_python():
    assert documentation.component("io.k8s.api.core.v1.PodSpec").text == "PodSpec is a description of a pod."


def test_what_the_client_does_not_have_says_nothing():
    assert documentation.component("io.k8s.api.core.v1.Nothing") == documentation.Model()
