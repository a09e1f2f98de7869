"""Objects drawn at random, about half of them wrong: the verdict of a real API server with a real istiod."""

import json
import re
from typing import Any

import pytest

from tests import recorded
from tests.mesh.validation.test_answers import answer

ENTRIES: list[dict[str, Any]] = recorded.DRAWN.json_lines("validation/answers.jsonl")
KINDS = sorted({entry["object"]["kind"] for entry in ENTRIES})


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The parts of an answer that mean something, as recorded: causes and the parts of a message in no order."""
    causes = (answer.get("details") or {}).get("causes", ())
    listed = answer.get("causes") or [[c.get("field", ""), c.get("reason"), c.get("message")] for c in causes]
    warnings = answer.get("warnings") or []
    return {
        "status": answer["status"],
        "reason": answer.get("reason"),
        "message": sorted(re.split(r", (?=spec|<nil>)|[\[\]]", answer.get("message") or "")),
        "causes": sorted(map(json.dumps, listed)),
        "warnings": warnings if isinstance(warnings, str) else ", ".join(warnings),
    }


def is_same(entry: dict[str, Any]) -> bool:
    ours, theirs = answer(entry["object"], "Strict"), entry["answer"]
    is_stored_alike = "spec_as_stored" not in theirs or ours.get("spec_as_stored") == theirs["spec_as_stored"]
    return is_stored_alike and comparable(ours) == comparable(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_a_kind_are_answered_as_they_were(kind: str) -> None:
    of_kind = [entry for entry in ENTRIES if entry["object"]["kind"] == kind]
    assert [entry["case"] for entry in of_kind if not is_same(entry)] == []
