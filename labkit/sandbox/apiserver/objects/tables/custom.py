"""Tables of custom resources: the columns that their CRD asks for."""

import datetime
from functools import lru_cache
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import gojson, jsonpath
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.tables.columns import CREATED, NAME, Column, age, at


class _Asked(Column):
    """A cell found by JSONPath, in the shape its type asks for."""

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        values = self.of(obj) if self.of else []
        if not values:
            return None
        value = values[0]
        if self.type == "string":
            return _text(value)
        if self.type == "date":
            try:
                return age(value, now)
            except (ValueError, TypeError):
                return "<invalid>"
        kinds: dict[str, Any] = {"integer": int, "number": (int, float), "boolean": bool}
        is_bool = isinstance(value, bool)
        fits = isinstance(value, kinds.get(self.type, object)) and is_bool == (self.type == "boolean")
        return value if fits else None


class _Age(Column):
    """A date column over a time."""

    def cell(self, obj: Object, now: datetime.datetime) -> Any:
        return age(self.of(obj) if self.of else None, now)


_AGE = _Age(name="Age", of=at("metadata", "creationTimestamp"), type="date", description=CREATED)


@lru_cache(maxsize=256)
def columns_of(schema: Schema) -> tuple[Column, ...]:
    """Name, and what ``additionalPrinterColumns`` lists; without those, the age."""
    asked = (schema.custom or {}).get("additionalPrinterColumns")
    if not asked:
        return (NAME, _AGE)
    return (NAME, *(_column(one) for one in asked))


def _column(asked: Object) -> Column:
    path = asked["jsonPath"]
    return _Asked(
        name=asked["name"],
        of=lambda obj: jsonpath.matches(path, obj),
        type=asked["type"],
        format=asked.get("format", ""),
        description=asked.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
        priority=asked.get("priority", 0),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return gojson.dumps(value) if isinstance(value, (dict, list)) else str(value)
