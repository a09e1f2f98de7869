"""Rules for what pods read and for what limits them: ConfigMaps, Secrets, claims, quotas, events."""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import gojson, quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import needed

MAX_SECRET_BYTES = 1024 * 1024
_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_COUNTED: tuple[str, ...] = ("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps")
_COUNTED += ("persistentvolumeclaims", "services.nodeports", "services.loadbalancers")
_MEASURED = {
    prefix + name
    for prefix in ("", "requests.", "limits.")
    for name in ("cpu", "memory", "storage", "ephemeral-storage")
}

_SECRET_KEYS: Mapping[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
"""Type → keys that a Secret of that type must have."""

_DURATION = "must be greater than 0"

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "LeaseSpec": {
        "leaseDurationSeconds": (checks.at_least(1, _DURATION),),
        "leaseTransitions": (checks.not_negative,),
    },
    "StorageClass": {
        "provisioner": (needed(),),
        "reclaimPolicy": (checks.one_of("Delete", "Retain"),),
        "volumeBindingMode": (checks.needed_one_of("Immediate", "WaitForFirstConsumer"),),
    },
}


def _keys(found: Mapping[str, Any] | None, field: str) -> Iterator[Cause]:
    for key in found or ():
        for problem in names.config_key(key):
            yield causes.wrong(f"{field}[{key}]", key, problem)


def _config_map(config: Object) -> Iterator[Cause]:
    binary = config.get("binaryData") or {}
    for key in config.get("data") or ():
        if key in binary:
            yield causes.wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(config.get("data"), "data")
    yield from _keys(binary, "binaryData")


def _secret(secret: Object) -> Iterator[Cause]:
    data, kind = secret.get("data") or {}, secret.get("type")
    yield from _keys(data, "data")
    if sum(len(value or "") * 3 // 4 for value in data.values()) > MAX_SECRET_BYTES:
        yield causes.too_long("data", MAX_SECRET_BYTES)
    for key in _SECRET_KEYS.get(kind or "", ()):
        if key not in data:
            yield causes.required(f"data[{key}]")
        elif kind in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"):
            yield from _json(data[key], key)
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        yield causes.required("data[username]")
        yield causes.required("data[password]")


def _json(encoded: str, key: str) -> Iterator[Cause]:
    try:
        gojson.loads(base64.b64decode(encoded))
    except ValueError as e:
        yield causes.wrong(f"data[{key}]", "<secret contents redacted>", str(e))


def _claim(claim: Object) -> Iterator[Cause]:
    spec = claim["spec"]
    if not spec.get("accessModes"):
        yield causes.required("spec.accessModes", "at least 1 access mode is required")
    for mode in spec.get("accessModes") or ():
        if mode not in _MODES:
            yield causes.unsupported("spec.accessModes", mode, _MODES)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield causes.required("spec.resources[storage]")
    elif quantities.parse(storage).value <= 0:
        yield causes.wrong("spec.resources[storage]", storage, "must be greater than zero")


def _quota(quota: Object) -> Iterator[Cause]:
    for name, amount in (quota["spec"].get("hard") or {}).items():
        here = f"spec.hard[{name}]"
        complaints = names.qualified(name)
        for problem in complaints:
            yield causes.wrong(here, name, problem)
        is_known = name in _COUNTED or name in _MEASURED
        if not complaints and "/" not in name and not is_known and not name.startswith("requests."):
            yield causes.wrong(here, name, "must be a standard resource type or fully qualified")
            yield causes.wrong(here, name, "must be a standard resource for quota")
        yield from checks.positive_quantity(amount, here)
        is_count = name in _COUNTED or name.startswith("count/")
        if is_count and quantities.parse(amount).value.denominator != 1:
            yield causes.wrong(here, amount, "must be an integer")


def _limits(limits: Object) -> Iterator[Cause]:
    for at, item in enumerate(limits["spec"].get("limits") or ()):
        path = f"spec.limits[{at}]"
        bounds = {key: item.get(key) or {} for key in ("min", "max", "default", "defaultRequest")}
        for name in sorted({name for found in bounds.values() for name in found}):
            yield from _limit(name, bounds, path)


def _limit(name: str, bounds: Mapping[str, Mapping[str, str]], path: str) -> Iterator[Cause]:
    low, high, default, request = (bounds[key].get(name) for key in ("min", "max", "default", "defaultRequest"))

    def above(one: str | None, two: str | None) -> bool:
        return one is not None and two is not None and quantities.parse(one).value > quantities.parse(two).value

    # The value shown is the minimum where a minimum is what is broken, except for the request: as a real server.
    if above(low, high):
        yield causes.wrong(f"{path}.min[{name}]", low, f"min value {low} is greater than max value {high}")
    if above(low, request):
        detail = f"min value {low} is greater than default request value {request}"
        yield causes.wrong(f"{path}.defaultRequest[{name}]", request, detail)
    if above(request, high):
        detail = f"default request value {request} is greater than max value {high}"
        yield causes.wrong(f"{path}.defaultRequest[{name}]", request, detail)
    if above(request, default):
        detail = f"default request value {request} is greater than default limit value {default}"
        yield causes.wrong(f"{path}.defaultRequest[{name}]", request, detail)
    if above(low, default):
        detail = f"min value {low} is greater than default value {default}"
        yield causes.wrong(f"{path}.default[{name}]", low, detail)
    if above(default, high):
        detail = f"default value {default} is greater than max value {high}"
        yield causes.wrong(f"{path}.default[{name}]", default, detail)


def _event(event: Object) -> Iterator[Cause]:
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    where = event["metadata"].get("namespace") or ""
    if about != where and not (about == "" and where == "default"):
        yield causes.wrong("involvedObject.namespace", about, "does not match event.namespace")


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "/ConfigMap": _config_map,
    "/Secret": _secret,
    "/PersistentVolumeClaim": _claim,
    "/ResourceQuota": _quota,
    "/LimitRange": _limits,
    "/Event": _event,
}
