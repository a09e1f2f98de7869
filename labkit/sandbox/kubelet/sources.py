"""What containers and volumes are filled from: ConfigMaps, Secrets, the pod's own fields and limits."""

import base64
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object

Lookup = Callable[[str, str], Object | None]
"""Finds an object of the pod's namespace: ``("ConfigMap" or "Secret", name)``."""


class MissingError(Exception):
    """Something that a container or volume refers to is not there; the text is the kubelet's."""


def data_of(obj: Mapping[str, Any]) -> dict[str, bytes]:
    """Keys and contents of a ConfigMap or Secret."""
    if obj["kind"] == "Secret":
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return plain | binary


def find(lookup: Lookup, kind: str, ref: Mapping[str, Any], name: str) -> dict[str, bytes] | None:
    """The data referred to; None when it is absent and may be."""
    obj = lookup(kind, name)
    if obj is not None:
        return data_of(obj)
    if ref.get("optional"):
        return None
    raise MissingError(f'{kind.lower()} "{name}" not found')


def field(pod: Object, path: str) -> str:
    """The value of a ``fieldPath`` of the downward API."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    if keyed := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((meta.get(keyed[1]) or {}).get(keyed[2], ""))
    simple: dict[str, Callable[[], str]] = {
        "metadata.name": lambda: meta["name"],
        "metadata.namespace": lambda: meta.get("namespace", ""),
        "metadata.uid": lambda: meta.get("uid", ""),
        "metadata.labels": lambda: _listed(resources.labels_of(pod)),
        "metadata.annotations": lambda: _listed(resources.annotations_of(pod)),
        "spec.nodeName": lambda: spec.get("nodeName", ""),
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName", "default"),
        "status.hostIP": lambda: status.get("hostIP", ""),
        "status.hostIPs": lambda: status.get("hostIP", ""),
        "status.podIP": lambda: status.get("podIP", ""),
        "status.podIPs": lambda: status.get("podIP", ""),
    }
    if path not in simple:
        raise MissingError(f"unsupported fieldPath: {path}")
    return simple[path]()


def _listed(entries: Mapping[str, str]) -> str:
    quoted = ((key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in sorted(entries.items()))
    return "\n".join(f'{key}="{value}"'.replace("\n", "\\n") for key, value in quoted)


_UNITS = {"": Decimal(1), "m": Decimal("0.001")}
_UNITS |= {letter: Decimal(1000**n) for n, letter in enumerate("kMGTPE", 1)}
_UNITS |= {f"{letter}i": Decimal(1024**n) for n, letter in enumerate("KMGTPE", 1)}


def quantity(text: str) -> Decimal:
    """``100m`` is 0.1, ``1Ki`` is 1024."""
    matched = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([a-zA-Z]*)", str(text).strip())
    if not matched or matched[2] not in _UNITS:
        raise MissingError(f"cannot read quantity {text!r}")
    return Decimal(matched[1]) * _UNITS[matched[2]]


def machine() -> dict[str, str]:
    """What this machine offers to pods, as a node's capacity."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": str(os.cpu_count() or 1),
        "ephemeral-storage": "20Gi",
        "memory": f"{memory // 1024}Ki",
        "pods": "110",
    }


def resource_field(container: Object, ref: Mapping[str, Any]) -> str:
    """The value of a ``resourceFieldRef``: whole multiples of its divisor, rounded up.

    A limit that is not set is what the node has, a request that is not set is 0.
    """
    kind, _, name = ref["resource"].partition(".")
    given = (container.get("resources") or {}).get(kind) or {}
    value = given.get(name) or (machine().get(name, "0") if kind == "limits" else "0")
    divisor = ref.get("divisor")
    unit = quantity(divisor) if divisor and str(divisor) != "0" else Decimal(1)
    return str(math.ceil(quantity(value) / unit))


def mounts_of(container: Object) -> Iterator[Object]:
    """Volume mounts, outer paths before the ones inside them."""
    return iter(sorted(container.get("volumeMounts") or [], key=lambda m: len(Path(m["mountPath"]).parts)))
