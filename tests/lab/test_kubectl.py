"""kubectl's words: what is typed, and what of its answer a learner needs."""

import json

import pytest

from labkit.clusters import cluster
from labkit.lab import kubectl


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("get pods", ["get", "pods"]),
        ("kubectl get pods", ["get", "pods"]),
        (["get", "pods"], ["get", "pods"]),
        ('get pods -o jsonpath="{.items[0]}"', ["get", "pods", "-o", "jsonpath={.items[0]}"]),
    ],
)
def test_the_word_kubectl_is_optional(words, typed):
    assert kubectl.split(words) == typed


def test_a_refused_patch_names_the_object_instead_of_quoting_it():
    obj = {"kind": "VirtualService", "metadata": {"name": "reviews", "annotations": {"a": 'quoted "twice"'}}}
    text = f'The request is invalid: patch: Invalid value: {json.dumps(json.dumps(obj))}: unknown field "spec.htpp"'
    assert kubectl.readable(text) == 'The request is invalid: VirtualService/reviews: unknown field "spec.htpp"'


def test_other_refusals_keep_their_words():
    text = 'Error from server (NotFound): pods "x" not found'
    assert kubectl.readable(f"{text}\n") == text


@pytest.mark.parametrize(
    ("typed", "is_added"),
    [
        (["get", "pods"], True),
        (["-n", "shop", "get", "pods"], False),
        (["exec", "deploy/fortio", "--", "fortio", "load", "-n", "20"], True),
    ],
    ids=["none named", "one named", "an option of another program"],
)
def test_the_labs_namespace_is_meant_where_none_is_named(typed, is_added, tmp_path):
    runner = kubectl.Kubectl(cluster.Cluster(kubeconfig=tmp_path / "kubeconfig"), namespace="course")
    assert ("--namespace=course" in runner._flags(typed)) == is_added


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        ("get pods -A", True),
        ("kubectl -n shop get events", True),
        ("exec deploy/curl -- rm -f /tmp/x", True),
        ("delete events --all", False),
        ("--namespace shop delete pod get", False),
        ("rollout restart deployment", False),
        ("label namespace default istio-injection-", False),
    ],
)
def test_commands_that_change_something_are_told_from_those_that_look(words, reads):
    assert kubectl.only_reads(words) is reads
