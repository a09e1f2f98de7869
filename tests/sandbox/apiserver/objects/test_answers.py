"""Refusals of a real server, recorded, against the rules alone."""

import json
from typing import Any

import pytest

from labkit.kube import status
from labkit.sandbox.apiserver.objects import decoding, defaults, schemas, validation
from tests import recorded

ELSEWHERE = (
    "Service cluster IP out of range",
    "Service node port out of range",
    "already taken",
    "SubjectAccessReview",
    "Job ",
    "admission policy",
    "CEL",
)
"""Cases that admission, allocation, a review or an evaluator of CEL decides, not the rules of objects."""


def cases() -> list[Any]:
    book = recorded.KUBERNETES.json("validation.json")["cases"]
    return [
        pytest.param(case["steps"][-1], id=case["name"])
        for case in book
        if case["name"].startswith("refused") and not any(word in case["name"] for word in ELSEWHERE)
    ]


def refusal(step: dict[str, Any]) -> Any:
    path = step["do"].split(" ")[1].split("?")[0].strip("/").split("/")
    api_version = path[1] if path[0] == "api" else f"{path[1]}/{path[2]}"
    kind = next(k for k in schemas.served() if (k.api_version, k.plural) == (api_version, path[-1]))
    schema = schemas.builtin(kind.api_version, kind.kind)
    assert schema
    try:
        obj = decoding.read(schema, json.dumps(step["send"]).replace("${ns}", "ns").encode()).object
    except status.StatusError as e:
        return e.status
    obj = defaults.with_defaults(schema, obj)
    obj["metadata"] = (obj.get("metadata") or {}) | ({"namespace": "ns"} if schema.namespaced else {})
    problems = validation.validate(schema, obj)
    return validation.invalid(schema, obj["metadata"].get("name", ""), problems).status if problems else None


@pytest.mark.parametrize("step", cases())
def test_a_refusal_is_a_real_servers(step: dict[str, Any]) -> None:
    assert refusal(step) == json.loads(json.dumps(step["reply"]["body"]).replace("${ns}", "ns"))
