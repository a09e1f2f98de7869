"""Who may use an object: ``exportTo``."""

from collections.abc import Mapping, Sequence
from typing import Any

Audience = frozenset[str]
"""Namespaces, or ``*``."""

EVERYONE: Audience = frozenset({"*"})


def audience(export_to: Sequence[str] | None, namespace: str, default: Sequence[str] = ("*",)) -> Audience:
    """The namespaces of an ``exportTo``: ``.`` is the object's own, ``~`` nobody's; empty means the default."""
    namespaces = {namespace if word == "." else word for word in export_to or default}
    return frozenset(namespaces - {"~"})


def is_for(audience: Audience, namespace: str) -> bool:
    """Whether a client in this namespace may use it."""
    return "*" in audience or namespace in audience


def default_of(mesh_config: Mapping[str, Any], kind: str) -> Sequence[str]:
    """What the mesh says for objects without ``exportTo``: ``defaultServiceExportTo`` and its kin."""
    return mesh_config.get(f"default{kind}ExportTo") or ("*",)
