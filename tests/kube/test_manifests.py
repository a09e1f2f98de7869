"""Manifests are read whole, and a bad one is named with its line."""

import pytest

from labkit.base import errors
from labkit.kube import manifests

TWO = """
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
"""


def test_documents_and_lists_are_unrolled():
    assert [obj["kind"] for obj in manifests.parse(TWO)] == ["Namespace", "ConfigMap"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [1,\nb: 2}", "line 2", id="yaml that does not parse"),
        pytest.param("- 1\n- 2", "is a list", id="a document that is no mapping"),
        pytest.param("kind: Pod", "no apiVersion", id="an object without a version"),
        pytest.param("# nothing", "holds no object", id="an empty file"),
    ],
)
def test_a_bad_manifest_is_named_with_its_problem(text, message):
    with pytest.raises(errors.ManifestError, match=message) as caught:
        manifests.parse(text, source="web.yaml")
    assert str(caught.value).startswith("web.yaml: ")
    assert "\nNext: " in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(errors.ManifestError, match=r"nowhere\.yaml"):
        manifests.read(tmp_path / "nowhere.yaml")


def test_what_is_dumped_can_be_parsed_again():
    objects = manifests.parse(TWO)
    assert manifests.parse(manifests.dump(*objects)) == objects
