"""Names that end inside the cluster, as expressions that Envoy takes."""

import re

import pytest

from labkit.mesh.envoy import explicit

NAMESPACES = ("default", "facts", "kube-node-lease", "n" * 63)


def is_inside(authority):
    return any(re.fullmatch(expression, authority) for expression in explicit.inside(NAMESPACES))


@pytest.mark.parametrize(
    ("authority", "inside"),
    [
        ("reviews", True),
        ("reviews:9080", True),
        ("reviews.facts:9080", True),
        ("reviews.facts.svc", True),
        ("reviews.facts.svc.cluster.local:9080", True),
        ("example.com", False),
        ("facts.example.com:80", False),
        ("127.66.0.9:8080", False),
    ],
    ids=str,
)
def test_names(authority, inside):
    assert is_inside(authority) == inside


def test_no_expression_grows_with_the_number_of_namespaces():
    # Envoy refuses a table with an expression that is too long, whatever else is in it.
    many = [f"team-{number}" for number in range(100)]
    longest = max(map(len, explicit.inside(many)))
    assert longest == max(map(len, explicit.inside(many[:1])))
