"""Objects drawn at random, of 40 kinds: refused and completed as a real API server did when it was asked."""

import json
import re
from typing import Any

import pytest

from labkit.kube import client
from tests import recorded

PER_SERVER = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "selfLink")
ALLOCATED = ("clusterIP", "clusterIPs", "healthCheckNodePort")
TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
OPTIONS = "dryRun=All&fieldValidation=Strict"

DIFFERENT: dict[str, str] = {}
"""Cases that are answered otherwise, each with the reason; the list may only shrink."""


def comparable(code: int, body: dict[str, Any]) -> dict[str, Any]:
    """What of an answer no two servers differ in."""
    if code >= 300:
        causes = (body.get("details") or {}).get("causes") or []
        pairs = sorted({(cause.get("field", ""), cause.get("reason", "")) for cause in causes})
        return {"status": code, "reason": body.get("reason"), "causes": [list(pair) for pair in pairs]}
    for key in PER_SERVER:
        body.get("metadata", {}).pop(key, None)
    spec = body.get("spec") or {}
    for key in ALLOCATED:
        if spec.get(key) not in (None, "None", ["None"]):
            spec.pop(key, None)
    if body["kind"] == "Service":
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    return {"status": code, "object": json.loads(TOKEN_VOLUME.sub("kube-api-access", json.dumps(body)))}


def is_same(client: client.Client, entry: dict[str, Any]) -> bool:
    path = f"{entry['path']}?{OPTIONS}"
    code, _, data = client.raw("POST", path, body=entry["object"], headers={"Content-Type": "application/json"})
    recorded_answer = {key: entry[key] for key in ("status", "reason", "causes", "object_stored") if key in entry}
    if "object_stored" in recorded_answer:
        recorded_answer["object"] = recorded_answer.pop("object_stored")
    return comparable(code, json.loads(data)) == recorded_answer


@pytest.mark.parametrize("group", ["narrow", "wide", "deep"])
def test_a_drawn_object_is_answered_as_a_real_server_answers(plane, group):
    entries = recorded.KUBERNETES_DRAWN.json_lines(f"{group}.jsonl")
    assert {e["case"] for e in entries if not is_same(plane.client, e)} == {c for c in DIFFERENT if c.startswith(group)}
