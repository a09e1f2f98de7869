"""What one object uses of a ResourceQuota, and which quotas are about it. Pure."""

import time
from collections.abc import Callable, Iterable, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import amounts
from labkit.sandbox.apiserver.amounts import Amounts
from labkit.sandbox.apiserver.labels import Requirement

COMPUTE = ("cpu", "memory", "ephemeral-storage")
REQUIRED = frozenset(f"{prefix}{name}" for name in ("cpu", "memory") for prefix in ("", "requests.", "limits."))
"""Resources that every container must ask for where a quota counts them."""

NAMED = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
"""Kinds that are counted under their own name too."""

OF_CLASS = ".storageclass.storage.k8s.io/"
ENDED = ("Succeeded", "Failed")


def usage(key: str, obj: Object) -> Amounts:
    """What an object of the table ``key`` (``apps/deployments``, ``/pods``) counts for."""
    group, _, plural = key.partition("/")
    counts = {f"count/{plural}.{group}" if group else f"count/{plural}": amounts.count(1)}
    if not group and plural in NAMED and plural != "pods":
        counts[plural] = amounts.count(1)
    special = _SPECIAL.get(key)
    return {**counts, **special(obj)} if special else counts


def _pod(pod: Object) -> Amounts:
    if (pod.get("status") or {}).get("phase") in ENDED or _is_overdue(pod):
        return {}
    spec = pod["spec"]
    requests = amounts.with_overhead(spec, amounts.of_pod(spec))
    return {"pods": amounts.count(1), **_compute(requests, amounts.of_pod(spec, "limits"))}


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    counts: Amounts = {}
    for name, value in requests.items():
        if name in COMPUTE or name.startswith("hugepages-"):
            counts[name] = value
        counts[f"requests.{name}"] = value
    return {**counts, **{f"limits.{name}": value for name, value in limits.items() if name in COMPUTE}}


def _is_overdue(pod: Object) -> bool:
    """Whether a deleted pod's time is over."""
    metadata = pod["metadata"]
    end = metadata.get("deletionTimestamp")
    return bool(end) and end < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _service(service: Object) -> Amounts:
    spec = service["spec"]
    ports, kind = spec.get("ports") or [], spec.get("type", "ClusterIP")
    number = len(ports) if kind in ("NodePort", "LoadBalancer") else 0
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        number = sum(bool(port.get("nodePort")) for port in ports)
    return {
        "services.loadbalancers": amounts.count(kind == "LoadBalancer"),
        "services.nodeports": amounts.count(number),
    }


def _claim(claim: Object) -> Amounts:
    spec = claim["spec"]
    counts = {"persistentvolumeclaims": amounts.count(1)}
    size = amounts.read((spec.get("resources") or {}).get("requests")).get("storage")
    if size is not None:
        counts["requests.storage"] = size
    if name := spec.get("storageClassName"):
        counts |= {f"{name}{OF_CLASS}{resource}": value for resource, value in dict(counts).items()}
    return counts


_SPECIAL: Mapping[str, Callable[[Object], Amounts]] = {
    "/pods": _pod,
    "/services": _service,
    "/persistentvolumeclaims": _claim,
}


def is_counted(key: str, name: str) -> bool:
    """Whether a resource of a quota is about objects of the table ``key``."""
    group, _, plural = key.partition("/")
    if name == (f"count/{plural}.{group}" if group else f"count/{plural}"):
        return True
    if group:
        return False
    if plural == "pods":
        is_compute = name in {f"{p}{c}" for c in COMPUTE for p in ("", "requests.", "limits.")}
        is_extended = name.startswith("requests.") and "/" in name and OF_CLASS not in name
        return name == "pods" or is_compute or is_extended or name.removeprefix("requests.").startswith("hugepages-")
    if plural == "services":
        return name in ("services", "services.nodeports", "services.loadbalancers")
    if plural == "persistentvolumeclaims":
        return name in (plural, "requests.storage") or OF_CLASS in name
    return plural in NAMED and name == plural


def key_of(name: str) -> tuple[str, str] | None:
    """(group, plural) of the kind that a resource of a quota counts."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    for plural in ("services", "persistentvolumeclaims", *NAMED, "pods"):
        if is_counted(f"/{plural}", name):
            return "", plural
    return None


def is_about(quota: Object, key: str, obj: Object) -> bool:
    """Whether a quota counts an object: by its resources, and by every one of its scopes."""
    hard = (quota["spec"].get("hard") or {}).keys()
    return any(is_counted(key, name) for name in hard) and all(_in_scope(scope, key, obj) for scope in scopes(quota))


def scopes(quota: Object) -> list[Object]:
    """Its scopes, in the form of ``scopeSelector``."""
    plain = [{"scopeName": name, "operator": "Exists"} for name in quota["spec"].get("scopes") or []]
    return [*plain, *((quota["spec"].get("scopeSelector") or {}).get("matchExpressions") or [])]


def _in_scope(scope: Object, key: str, obj: Object) -> bool:
    spec = obj.get("spec") or {}
    if key != "/pods":
        return False
    match scope["scopeName"]:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return (obj.get("status") or {}).get("qosClass") == "BestEffort"
        case "NotBestEffort":
            return (obj.get("status") or {}).get("qosClass") != "BestEffort"
        case "PriorityClass":
            name = spec.get("priorityClassName") or ""
            if scope["operator"] == "Exists":
                return bool(name)
            values = tuple(scope.get("values") or ())
            return Requirement(key="name", operator=scope["operator"], values=values).holds({"name": name})
        case "CrossNamespacePodAffinity":
            return _looks_beyond(spec.get("affinity") or {})
    return False


def _looks_beyond(affinity: Object) -> bool:
    """Whether a pod's affinity is about pods of other namespaces."""
    terms: list[Object] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        terms += [one["podAffinityTerm"] for one in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


def lacking(quota: Object, pod: Object) -> str:
    """``must specify requests.cpu for: c``, where a quota counts what a container does not ask for."""
    required = REQUIRED & (quota["spec"].get("hard") or {}).keys()
    if (pod["spec"].get("resources") or {}).keys() & {"requests", "limits"}:
        return ""
    missing: dict[str, set[str]] = {}
    for container in [*(pod["spec"].get("containers") or []), *(pod["spec"].get("initContainers") or [])]:
        given = container.get("resources") or {}
        has = _compute(amounts.read(given.get("requests")), amounts.read(given.get("limits")))
        for name in required - has.keys():
            missing.setdefault(name, set()).add(container["name"])
    if not missing:
        return ""
    return "must specify " + "; ".join(f"{n} for: {','.join(sorted(missing[n]))}" for n in sorted(missing))


def used(quota: Object, objects: Iterable[tuple[str, Object]]) -> Amounts:
    """What a namespace uses of a quota; ``objects`` are (table, object) of all that it may count."""
    hard = (quota["spec"].get("hard") or {}).keys()
    parts = [usage(key, obj) for key, obj in objects if is_about(quota, key, obj)]
    counts = amounts.total(parts)
    return {name: counts.get(name, amounts.NONE) for name in hard if key_of(name) is not None}
