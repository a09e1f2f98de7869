"""Patches, and kubectl's own strategic merge as the judge of ours."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.kube import status
from labkit.sandbox.apiserver.objects import patches, schemas

SCHEMA = schemas.builtin("v1", "Pod")
assert SCHEMA
KUBECTL = Path(sys.executable).parent / "kubectl"

POD: dict[str, Any] = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p", "labels": {"a": "1"}, "finalizers": ["x/a", "x/b"]},
    "spec": {
        "containers": [
            {"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "b", "image": "y", "args": ["1", "2"]},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def patched(kind: str, patch: Any) -> Any:
    assert SCHEMA
    return patches.patched(kind, POD, json.dumps(patch).encode(), SCHEMA).object


def test_a_json_patch_that_cannot_be_carried_out_is_422() -> None:
    with pytest.raises(status.Invalid, match="the server rejected our request"):
        patched(patches.JSON, [{"op": "test", "path": "/metadata/name", "value": "q"}])


def test_a_patch_with_a_wrong_type_quotes_the_object() -> None:
    with pytest.raises(status.Invalid, match=r"patch: Invalid value: .*Go struct field PodSpec.spec.nodeName"):
        patched(patches.MERGE, {"spec": {"nodeName": 1}})


def test_a_merge_patch_replaces_lists() -> None:
    result = patched(patches.MERGE, {"metadata": {"finalizers": ["x/c"], "labels": {"a": None, "b": "2"}}})
    assert (result["metadata"]["finalizers"], result["metadata"]["labels"]) == (["x/c"], {"b": "2"})


NAMES = st.sampled_from(["a", "b", "c"])
ENV = st.fixed_dictionaries({"name": st.sampled_from(["A", "B", "C"])}, optional={"value": st.sampled_from(["1", "3"])})
GONE = st.fixed_dictionaries({"name": NAMES, "$patch": st.just("delete")})
CONTAINERS = st.lists(
    st.one_of(
        GONE,
        st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "image": st.sampled_from(["x", "z"]),
                "args": st.one_of(st.none(), st.lists(st.sampled_from(["1", "9"]), max_size=2)),
                "env": st.lists(ENV, max_size=2, unique_by=lambda env: env["name"]),
            },
        ),
    ),
    max_size=3,
    unique_by=lambda container: container["name"],
)
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.one_of(
                    st.none(),
                    st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.none(), st.just("2")), max_size=2),
                ),
                "finalizers": st.lists(st.sampled_from(["x/a", "x/c"]), max_size=2, unique=True),
                "$deleteFromPrimitiveList/finalizers": st.lists(st.sampled_from(["x/b"]), max_size=1),
            },
        ),
        "spec": st.fixed_dictionaries({}, optional={"containers": CONTAINERS, "volumes": st.none()}),
    },
)


@pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is the judge, and is not installed here")
@given(patch=PATCHES)
@settings(max_examples=25)
def test_a_strategic_merge_is_what_kubectl_makes_of_it(patch: dict[str, Any]) -> None:
    command = [str(KUBECTL), "patch", "--local", "-f", "-", "--type=strategic", "-o", "json", "-p", json.dumps(patch)]
    judged = subprocess.run(command, input=json.dumps(POD), capture_output=True, text=True, check=False)
    if judged.returncode:
        pytest.fail(judged.stderr)
    theirs = json.loads(judged.stdout)
    assert SCHEMA
    again = patches.patched(patches.MERGE, theirs, b"{}", SCHEMA).object
    assert patched(patches.STRATEGIC, patch) == again
