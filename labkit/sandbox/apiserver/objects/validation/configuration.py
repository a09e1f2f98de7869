"""Rules for what pods read and for what limits them: ConfigMaps, Secrets, claims, quotas, events."""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import gojson, quantities
from labkit.sandbox.apiserver.objects.validation import causes, checks, metadata, names, resources, volumes
from labkit.sandbox.apiserver.objects.validation.causes import Cause

MAX_SECRET_BYTES = 1024 * 1024
_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_POD_COUNTS = ("pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
_SCOPES: Mapping[str, tuple[str, ...]] = {
    "Terminating": _POD_COUNTS,
    "NotTerminating": _POD_COUNTS,
    "BestEffort": ("pods",),
    "NotBestEffort": _POD_COUNTS,
    "PriorityClass": _POD_COUNTS,
    "CrossNamespacePodAffinity": _POD_COUNTS,
    "VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage"),
}
"""Scope of a quota → the standard resources it can be applied to."""

_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))

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
}


def _keys(data: Mapping[str, Any] | None, field: str) -> Iterator[Cause]:
    for key in data or ():
        for problem in names.config_key(key):
            yield causes.wrong(f"{field}[{key}]", key, problem)


def _config_map(config: Object) -> Iterator[Cause]:
    binary = config.get("binaryData") or {}
    for key in config.get("data") or ():
        if key in binary:
            yield causes.wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(config.get("data"), "data")
    yield from _keys(binary, "binaryData")
    size = sum(len(text.encode()) for text in (config.get("data") or {}).values())
    size += sum(_decoded_size(text) for text in binary.values())
    if size > MAX_SECRET_BYTES:
        text = f"Too long: may not be more than {MAX_SECRET_BYTES} bytes"
        yield causes.Cause("FieldValueTooLong", text, "[]")


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


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
    yield from volumes.claim(claim.get("spec") or {}, "spec")


def _quota(quota: Object) -> Iterator[Cause]:
    spec = quota.get("spec") or {}
    hard = spec.get("hard") or {}
    for name, amount in hard.items():
        yield from resources.of_quota(name, f"spec.hard[{name}]")
        yield from resources.amount(name, amount, f"spec.hard[{name}]")
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            yield causes.wrong("spec.scopes", scopes, "unsupported scope")
        for name in sorted(hard):
            if resources.is_quota(name) and scope in _SCOPES and name not in _SCOPES[scope]:
                yield causes.wrong("spec.scopes", scopes, "unsupported scope applied to resource")
    for one, other in _CONFLICTS:
        if one in scopes and other in scopes:
            yield causes.wrong("spec.scopes", scopes, "conflicting scopes")
    for term in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        yield from _scope_term(term, hard, spec["scopeSelector"], "spec.scopeSelector.matchExpressions")


def _scope_term(term: Object, hard: Object, selector: Object, path: str) -> Iterator[Cause]:
    scope, operator, values = term.get("scopeName") or "", term.get("operator") or "", term.get("values") or []
    if scope not in _SCOPES:
        yield causes.wrong(f"{path}.scopeName", scope, "unsupported scope")
    for name in sorted(hard):
        if resources.is_quota(name) and scope in _SCOPES and name not in _SCOPES[scope]:
            yield causes.wrong(path, selector, "unsupported scope applied to resource")
    if scope in _SCOPES and scope not in ("PriorityClass", "VolumeAttributesClass") and operator != "Exists":
        detail = (
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating,"
            " ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or"
            " ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        yield causes.wrong(f"{path}.operator", operator, detail)
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield causes.required(f"{path}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield causes.wrong(f"{path}.values", values, detail)
    else:
        yield causes.wrong(f"{path}.operator", operator, "not a valid selector operator")


def _limits(limits: Object) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, item in enumerate((limits.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{at}]", item.get("type") or ""
        complaints = names.qualified(kind)
        for problem in complaints:
            yield causes.wrong(f"{path}.type", kind, problem)
        if not complaints and "/" not in kind and kind not in _LIMIT_TYPES:
            yield causes.wrong(f"{path}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            yield causes.duplicate(f"{path}.type", kind)
        seen.add(kind)
        yield from _item(item, kind, path)


def _item(item: Object, kind: str, path: str) -> Iterator[Cause]:
    of = resources.of_container if kind in ("Pod", "Container") else resources.resource
    bounds = {key: item.get(key) or {} for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")}
    if kind == "Pod":
        for key in ("default", "defaultRequest"):
            if bounds[key]:
                yield causes.forbidden(f"{path}.{key}", "may not be specified when `type` is 'Pod'")
            bounds[key] = {}
    if kind == "PersistentVolumeClaim" and "storage" not in {*bounds["min"], *bounds["max"]}:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield causes.required(f"{path}.limits", detail)
    for key, amounts in bounds.items():
        for name in amounts:
            yield from of(name, f"{path}.{key}[{name}]")
    for name in sorted({name for amounts in bounds.values() for name in amounts}):
        yield from _limit(name, bounds, path)


def _limit(name: str, bounds: Mapping[str, Mapping[str, str]], path: str) -> Iterator[Cause]:
    keys = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
    low, high, default, request, ratio = (bounds[key].get(name) for key in keys)

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
        yield causes.wrong(f"{path}.default[{name}]", high, detail)
    if ratio is not None:
        yield from _ratio(ratio, low, high, f"{path}.maxLimitRequestRatio[{name}]")
    differ = above(default, request) or above(request, default)
    if differ and not resources.may_exceed(name):
        detail = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield causes.wrong(f"{path}.defaultRequest[{name}]", request, detail)


def _ratio(ratio: str, low: str | None, high: str | None, path: str) -> Iterator[Cause]:
    value = quantities.parse(ratio).value
    if value < 1:
        yield causes.wrong(path, ratio, f"ratio {ratio} is less than 1")
    if low is not None and high is not None and quantities.parse(low).value > 0:
        most = quantities.parse(high).value / quantities.parse(low).value
        if value > most:
            yield causes.wrong(path, ratio, f"ratio {ratio} is greater than max/min = {float(most):f}")


def _event(event: Object) -> Iterator[Cause]:
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    where = event["metadata"].get("namespace") or ""
    if about != where and not (about == "" and where == "default"):
        yield causes.wrong("involvedObject.namespace", about, "does not match event.namespace")


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}


def _namespace(namespace: Object) -> Iterator[Cause]:
    for finalizer in (namespace.get("spec") or {}).get("finalizers") or ():
        for problem in names.qualified(finalizer):
            yield causes.wrong("spec.finalizers", finalizer, problem)
        if "/" not in finalizer and finalizer not in metadata.FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield causes.wrong("spec.finalizers", finalizer, detail)


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "/Namespace": _namespace,
    "/ConfigMap": _config_map,
    "/Secret": _secret,
    "/PersistentVolumeClaim": _claim,
    "/ResourceQuota": _quota,
    "/LimitRange": _limits,
    "/Event": _event,
}
