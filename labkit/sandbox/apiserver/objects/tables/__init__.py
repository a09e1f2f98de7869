"""Objects as tables, as ``kubectl get`` asks for them."""

import datetime
from collections.abc import Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import refusals
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.tables import (
    accounts,
    columns,
    custom,
    general,
    network,
    pods,
    storage,
    workloads,
)

_TABLES = {
    **pods.TABLES,
    **workloads.TABLES,
    **network.TABLES,
    **storage.TABLES,
    **accounts.TABLES,
    **general.TABLES,
}


def check_include(include: str) -> None:
    """400 for an includeObject that no table has."""
    if include not in ("", "None", "Metadata", "Object"):
        problem = f"Invalid value: {refusals.quoted(include)}: must be 'Metadata', 'Object', 'None', or empty"
        raise refusals.bad_request(f"Unable to convert to Table as requested: includeObject: {problem}")


def table(
    schema: Schema,
    objects: Sequence[Object],
    *,
    now: datetime.datetime,
    include: str = "Metadata",
    columns_sent: bool = False,
    version: str = "v1",
) -> Object:
    """A ``meta.k8s.io/v1 Table`` without list metadata, which the caller adds.

    ``include`` is includeObject (None, Metadata, Object); ``columns_sent`` leaves the columns out, as a watch
    does after its first event.
    """
    if schema.custom is not None:
        shown: Sequence[columns.Column] = custom.columns_of(schema)
    else:
        shown = _TABLES.get(f"{schema.group}/{schema.kind}", columns.DEFAULT)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": {},
        "columnDefinitions": None if columns_sent else [column.definition() for column in shown],
        "rows": [_row(schema, obj, shown, now, include, version) for obj in objects],
    }


def _row(
    schema: Schema,
    obj: Object,
    shown: Sequence[columns.Column],
    now: datetime.datetime,
    include: str,
    version: str,
) -> Object:
    row: Object = {"cells": [column.cell(obj, now) for column in shown]}
    if (schema.group, schema.kind) == ("", "Pod") and (conditions := pods.row_conditions(obj)):
        row["conditions"] = conditions
    row["object"] = _shown(obj, include, version)
    return row


def _shown(obj: Object, include: str, version: str) -> Any:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }
