"""Volumes and mounts that a pod wants for its proxy: a JSON list, or a map by name."""

import json
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import gojson


def problem(text: str) -> str:
    """What is wrong with the text of an annotation; empty when nothing is."""
    if not text:
        return ""
    if complaint := gojson.problem(text):
        return complaint
    value = json.loads(text)
    if not isinstance(value, dict | list):
        return f"range can't iterate over {text}"
    items = value.values() if isinstance(value, dict) else value
    wrong = next((item for item in items if not isinstance(item, dict)), None)
    if wrong is not None or None in items:
        return gojson.mismatch(wrong, "map[string]interface {}")
    return ""


def read(text: str) -> list[Object]:
    """The volumes or mounts of a text without a problem; a list's items say their own names, or are numbered."""
    value: Any = json.loads(text or "[]") or []
    named = value.items() if isinstance(value, dict) else enumerate(value)
    return [{"name": str(key), **item} for key, item in named]
