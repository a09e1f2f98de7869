"""From what a learner hands over to what kubectl is given, and back."""

import pytest

from labkit.base import errors, programs
from labkit.lab import applying

REVIEWS = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "reviews"}}


@pytest.mark.parametrize(
    "given",
    [
        REVIEWS,
        [REVIEWS],
        {"kind": "List", "items": [REVIEWS]},
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\n",
    ],
    ids=["an object", "several", "a List", "text"],
)
def test_every_form_gives_the_same_object(given):
    assert applying.objects_of(given) == [REVIEWS]


def test_a_path_is_looked_up_beside_the_notebooks_too():
    kinds = [obj["kind"] for obj in applying.objects_of("manifests/bookinfo-gateway.yaml")]
    assert kinds == ["Gateway", "VirtualService"]


def test_a_path_that_is_not_there_is_named():
    with pytest.raises(errors.ManifestError, match=r"nope\.yaml"):
        applying.objects_of("nope.yaml")


def test_text_that_is_no_yaml_names_the_line():
    with pytest.raises(errors.ManifestError, match="line 2, column"):
        applying.objects_of("kind: VirtualService\n  spec: {\n")


def test_what_is_applied_carries_the_kits_label():
    assert "app.kubernetes.io/managed-by: labkit" in applying.text_of([REVIEWS])


def test_changes_are_read_off_kubectls_lines():
    text = programs.Output(
        code=0,
        out="virtualservice.networking.istio.io/reviews configured\n"
        "destinationrule.networking.istio.io/reviews unchanged\n",
        err="Warning: rule #1 not used\n",
    )
    changes = applying.changes(text, "kubectl apply -f -")
    assert repr(changes).splitlines() == [
        "Warning: rule #1 not used",
        "virtualservice.networking.istio.io/reviews configured",
        "destinationrule.networking.istio.io/reviews unchanged",
    ]


def test_deletions_are_read_too():
    text = programs.Output(code=0, out='virtualservice.networking.istio.io "reviews" deleted\n', err="")
    assert repr(applying.changes(text, "")) == "virtualservice.networking.istio.io/reviews deleted"


def test_the_command_beside_a_path_names_the_path():
    assert applying.typed("manifests/reviews-90-10.yaml", "apply") == "kubectl apply -f manifests/reviews-90-10.yaml"
    assert applying.typed(REVIEWS, "apply") == "kubectl apply -f -"
