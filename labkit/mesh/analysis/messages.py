"""One message of an analysis. Codes, levels and words are Istio's (``pkg/config/analysis/msg/messages.yaml``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ERROR, WARNING, INFO = "Error", "Warning", "Info"

Path = tuple[str | int, ...]
"""Where a field stands in an object: ``("spec", "hosts", 0)``."""

NAME: Path = ("metadata", "name")


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """What is wrong with one object."""

    level: str
    code: str
    """``IST0101``."""

    origin: str
    """The object: ``VirtualService default/reviews``."""

    text: str
    path: Path = ()
    """The field that is to blame; empty where it is the object."""

    @property
    def namespace(self) -> str:
        """The namespace of the object; a Namespace's is itself, and what has none has an empty one."""
        kind, _, name = self.origin.partition(" ")
        return name if kind == "Namespace" else name.rpartition("/")[0]


def on(obj: Mapping[str, Any], code: str, level: str, text: str, path: Path = ()) -> Message:
    """A message about an object."""
    metadata = obj["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    origin = f"{obj['kind']} {place}{metadata['name']}"
    return Message(level=level, code=code, origin=origin, text=text, path=path)


def not_there(obj: Mapping[str, Any], what: str, name: str, path: Path = ()) -> Message:
    """IST0101: an object refers to something that does not exist."""
    return on(obj, "IST0101", ERROR, f'Referenced {what} not found: "{name}"', path)
