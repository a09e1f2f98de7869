"""Objects that were sent to a real API server with a real istiod, and what both said."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from labkit.install import types
from labkit.kube import status
from labkit.mesh import validation
from labkit.sandbox.apiserver.objects import decoding, defaults, schemas
from labkit.sandbox.apiserver.objects import validation as server
from labkit.sandbox.istiod import protos
from tests import recorded

PREFIX = 'admission webhook "validation.istio.io" denied the request: '
FIELDS = ("status", "reason", "message", "details")


@cache
def answers() -> dict[str, Any]:
    """Case → object and answer."""
    return {entry["case"]: entry for entry in recorded.ISTIO.json_lines("validation/answers.jsonl")}


@cache
def served() -> dict[tuple[str, str], schemas.Schema]:
    every = [schemas.from_crd(crd, v["name"]) for crd in types.crds() for v in crd["spec"]["versions"]]
    return {(schema.api_version, schema.kind): schema for schema in every}


def answer(obj: dict[str, Any], level: str) -> dict[str, Any]:
    """What the API server answers with our definitions and our webhook behind it."""
    schema = served()[obj["apiVersion"], obj["kind"]]
    try:
        read = decoding.decode(schema, obj, level=level)
        obj = defaults.with_defaults(schema, read.object, None)
        if causes := server.validate(schema, obj):
            raise server.invalid(schema, obj["metadata"]["name"], causes)
    except status.StatusError as e:
        return {"warnings": [], **e.status, "status": e.code}
    verdict = validation.validate(obj, envoy=protos.Protos())
    warnings = [f"299 - {json.dumps(text)}" for text in (*read.warnings, *verdict.warnings)]
    if verdict.is_allowed:
        return {"status": 201, "warnings": warnings, "spec_as_stored": obj.get("spec")}
    return {"message": PREFIX + verdict.message, "status": 400, "warnings": []}


def comparable(reply: dict[str, Any]) -> dict[str, Any]:
    """The part of an answer that is compared."""
    kept = {key: reply[key] for key in (*FIELDS, "warnings") if reply.get(key) is not None}
    if "details" in kept:
        causes = [sorted(cause.items()) for cause in kept["details"].get("causes", [])]
        kept["details"] = {**kept["details"], "causes": causes}
    return kept


@pytest.mark.parametrize("case", answers())
def test_an_object_is_answered_as_it_was(case: str) -> None:
    entry = answers()[case]
    ours = answer(entry["object"], "Strict")
    theirs = entry["answer"]
    assert comparable(ours) == comparable(theirs)
    if "spec_as_stored" in theirs:
        assert ours["spec_as_stored"] == theirs["spec_as_stored"]


@pytest.mark.parametrize("case", [c for c in answers() if "answer_with_fieldValidation_Warn" in answers()[c]])
def test_without_strict_reading_it_is_answered_as_it_was(case: str) -> None:
    entry = answers()[case]
    ours = answer(entry["object"], "Warn")
    assert comparable(ours) == comparable(entry["answer_with_fieldValidation_Warn"])


def objects_of_cases() -> Iterator[tuple[str, list[str], list[str]]]:
    """Case → (what kubectl printed, what it would print of us)."""
    for path in recorded.ISTIO.paths("xds/cases"):
        case = path.removeprefix("xds/cases/").removesuffix(".yaml")
        printed = recorded.ISTIO.json(f"xds/answers/{case}.json")
        ours = []
        for document in filter(None, yaml.safe_load_all(recorded.ISTIO.text(path))):
            # A YAML key may be a number; in JSON it is a text.
            obj = json.loads(json.dumps(document, default=str))
            if (obj["apiVersion"], obj["kind"]) in served():
                obj["metadata"].setdefault("namespace", "default")
                answered = answer(obj, "Strict")
                ours += ["Warning: " + json.loads(text.removeprefix("299 - ")) for text in answered["warnings"]]
                if answered["status"] != 201:
                    ours.append(answered["message"])
        theirs = [
            PREFIX + line.partition(PREFIX)[2] if PREFIX in line else line for line in printed["refused_or_warned"]
        ]
        yield case, [line for line in theirs if "trafficDistribution" not in line], ours


def test_what_learners_apply_is_taken_with_the_recorded_warnings() -> None:
    wrong = {case: (theirs, ours) for case, theirs, ours in objects_of_cases() if set(theirs) != set(ours)}
    assert not wrong
