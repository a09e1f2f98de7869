"""Which objects a list or a watch means: label and field selectors."""

import re
from collections.abc import Callable
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import refusals

Matches = Callable[[Object], bool]

FIELDS = {
    "pods": {
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    },
    "events": {
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    },
    "secrets": {"type"},
    "namespaces": {"status.phase", "name"},
    "nodes": {"spec.unschedulable"},
    "services": {"spec.clusterIP", "spec.type"},
    "replicasets.apps": {"status.replicas"},
    "jobs.batch": {"status.successful"},
}  # fmt: skip
"""Fields that a real server indexes besides ``metadata.name`` and ``metadata.namespace``."""

_SET = re.compile(r"^\s*(\S+?)\s+(in|notin)\s+\(([^)]*)\)\s*$")


def labels(text: str) -> Matches:
    """``app=web,tier in (a,b),!old``."""
    tests = [_label_test(part) for part in _split(text)]
    return lambda obj: all(test(obj.get("metadata", {}).get("labels") or {}) for test in tests)


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _label_test(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found[1], {v.strip() for v in found[3].split(",")}
        if found[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        if sign in part:
            key, _, value = (x.strip() for x in part.partition(sign))
            if equal:
                return lambda labels: labels.get(key) == value
            return lambda labels: labels.get(key) != value
    key = part.strip()
    if key.startswith("!"):
        return lambda labels: key[1:].strip() not in labels
    return lambda labels: key in labels


def fields(text: str, storage: str) -> Matches:
    """``spec.nodeName=a,status.phase!=Failed``; 400 for a field that the server does not index."""
    tests = []
    for part in filter(None, text.split(",")):
        sign = "!=" if "!=" in part else "==" if "==" in part else "="
        key, _, value = (x.strip() for x in part.partition(sign))
        if key not in {"metadata.name", "metadata.namespace"} | FIELDS.get(storage, set()):
            raise refusals.bad_request(
                f'Unable to find "{storage}" that match field selector: field label not supported: {key}'
            )
        tests.append((key.split("."), value, sign != "!="))
    return lambda obj: all((_at(obj, path) == value) is equal for path, value, equal in tests)


def _at(obj: Object, path: list[str]) -> str:
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
