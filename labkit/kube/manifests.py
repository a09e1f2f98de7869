"""Manifests as text: YAML with one or more documents, lists unrolled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from labkit.base import errors
from labkit.kube.resources import Object

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str, *, source: str = "the manifest") -> list[Object]:
    """Every object of a text; ManifestError names the source, the line and the problem."""
    try:
        documents = list(yaml.load_all(text, Loader=LOADER))
    except yaml.YAMLError as e:
        raise errors.ManifestError(source, problem=_where(e), next_step="mend the YAML at that line") from e
    return parse_list([document for document in documents if document is not None], source=source)


def parse_list(documents: Sequence[Any], *, source: str = "the manifest") -> list[Object]:
    """Every object of documents that are parsed already."""
    objects = [obj for document in documents for obj in _unrolled(document, source)]
    if not objects:
        raise errors.ManifestError(source, problem="holds no object", next_step="give it at least one document")
    return objects


def read(path: Path) -> list[Object]:
    """Every object of a file."""
    try:
        return parse(path.read_text(), source=str(path))
    except OSError as e:
        raise errors.ManifestError(str(path), problem=str(e), next_step="check the path") from e


def dump(*objects: Object) -> str:
    """Objects as one YAML text, in their own key order."""
    return yaml.safe_dump_all(objects, sort_keys=False)


def _unrolled(document: Any, source: str) -> list[Object]:
    if not isinstance(document, dict):
        seen = f"a document is a {type(document).__name__}, not a mapping"
        raise errors.ManifestError(source, problem=seen, next_step="start it with apiVersion: and kind:")
    if document.get("kind") == "List":
        return [obj for item in document.get("items") or [] for obj in _unrolled(item, source)]
    missing = [key for key in ("apiVersion", "kind") if not document.get(key)]
    if missing:
        seen = f"a document has no {' and no '.join(missing)}"
        raise errors.ManifestError(source, problem=seen, next_step="every object names its apiVersion and kind")
    return [document]


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem
