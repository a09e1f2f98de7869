"""Objects as tables, as ``kubectl get`` asks for them."""

import datetime
from collections.abc import Sequence

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema


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
    columns = [
        {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
    ]
    rows = [
        {"cells": [o["metadata"].get("name"), o["metadata"].get("creationTimestamp")], "object": o}
        for o in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": {},
        "columnDefinitions": None if columns_sent else columns,
        "rows": rows,
    }
