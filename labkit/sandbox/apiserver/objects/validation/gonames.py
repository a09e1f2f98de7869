"""Parts of objects as the server's own Go structs print them in messages: capitalised, nothing left out."""

import re
from collections.abc import Mapping
from typing import Any

from labkit.sandbox.apiserver.objects import schemas
from labkit.sandbox.apiserver.objects.types import Type

_WORDS = {
    "Api": "API",
    "Dns": "DNS",
    "Fs": "FS",
    "SeLinux": "SELinux",
    "Tty": "TTY",
    "Ip": "IP",
    "Id": "ID",
    "Uid": "UID",
    "Url": "URL",
    "Gce": "GCE",
    "Aws": "AWS",
    "Nfs": "NFS",
    "Iscsi": "ISCSI",
    "Rbd": "RBD",
    "Cephfs": "CephFS",
    "Fc": "FC",
    "Storageos": "StorageOS",
    "Csi": "CSI",
    "Http": "HTTP",
    "Tcp": "TCP",
    "Grpc": "GRPC",
}

_PACKAGES = ("core.v1", "apps.v1", "batch.v1", "policy.v1", "rbac.v1")


def capitalised(name: str) -> str:
    """``dnsPolicy`` → ``DNSPolicy``."""
    result = name[0].upper() + name[1:]
    for word, shown in _WORDS.items():
        result = re.sub(rf"^{word}(?=[A-Z]|$)", shown, result)
    return result


def internal(struct: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A struct of the built-in groups with all of its fields."""
    for package in _PACKAGES:
        of = schemas.type_of(f"io.k8s.api.{package}.{struct}")
        if of is not None:
            return _struct(of, value)
    raise KeyError(struct)


def _struct(of: Type, value: Mapping[str, Any]) -> dict[str, Any]:
    fields = [(name, field) for name, field in of.fields.items() if name not in _PLACED]
    for name, field in of.fields.items():
        if name in _PLACED:
            after = next((at for at, (other, _) in enumerate(fields) if other == _PLACED[name]), len(fields))
            fields.insert(after + 1, (name, field))
    return {capitalised(name): _value(field, value.get(name)) for name, field in fields}


_PLACED = {"quobyte": "rbd", "setHostnameAsFQDN": "subdomain", "preemptionPolicy": "priority"}
_PLACED["fsGroupChangePolicy"] = "fsGroup"
"""Fields that stand elsewhere in the server's own structs than in those of its API: behind another one."""


def _value(of: Type, value: Any) -> Any:
    if of.kind == "struct":
        if value is None and of.pointer:
            return None
        if of.name == "ObjectMeta":
            # Inlined, under its names in JSON.
            return {key: item for key, item in (value or {}).items() if item}
        # A selector prints as in JSON: its Go type is shared by all versions.
        return value if of.name == "LabelSelector" else _struct(of, value or {})
    if of.kind == "list" and value is not None and of.items is not None:
        return [_value(of.items, item) for item in value]
    if value is None and not of.pointer:
        return {"string": "", "boolean": False, "integer": 0, "int-or-string": 0}.get(of.kind)
    return value
