"""One message of an analysis. Codes, levels and words are Istio's (``pkg/config/analysis/msg/messages.yaml``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ERROR, WARNING, INFO = "Error", "Warning", "Info"


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """What is wrong with one object."""

    level: str
    code: str
    """``IST0101``."""

    origin: str
    """The object: ``VirtualService default/reviews``."""

    text: str


def on(obj: Mapping[str, Any], code: str, level: str, text: str) -> Message:
    """A message about an object."""
    metadata = obj["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return Message(level=level, code=code, origin=f"{obj['kind']} {place}{metadata['name']}", text=text)


def not_there(obj: Mapping[str, Any], what: str, name: str) -> Message:
    """IST0101: an object refers to something that does not exist."""
    return on(obj, "IST0101", ERROR, f'Referenced {what} not found: "{name}"')
