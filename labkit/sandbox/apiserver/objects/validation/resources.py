"""Rules for names and amounts of resources: what containers ask for, quotas count and limit ranges bound."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Name = Callable[[str, str], Iterator[Cause]]
"""A rule for a resource's name, given the path it stands at."""

_COUNTED = (
    *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps"),
    *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
)
_CONTAINER = ("cpu", "memory", "ephemeral-storage")
_MEASURED = {f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in _CONTAINER}
_QUOTA = {*_COUNTED, *_MEASURED, "requests.storage"}
_STANDARD = {*_QUOTA, "storage"}
_HUGE = "hugepages-"
_NATIVE = "kubernetes.io/"
_QUOTA_PREFIX = "requests."


def is_counted(name: str) -> bool:
    """Whether only whole numbers of it exist."""
    return name in _COUNTED or _is_extended(name)


def is_quota(name: str) -> bool:
    """Whether a quota can bound it without a qualified name."""
    return name in _QUOTA or name.startswith((_HUGE, f"{_QUOTA_PREFIX}{_HUGE}"))


def _is_native(name: str) -> bool:
    return "/" not in name or _NATIVE in name


def _is_extended(name: str) -> bool:
    """``example.com/gpu``: a resource that a device plug-in counts."""
    if _is_native(name) or name.startswith(_QUOTA_PREFIX):
        return False
    return not names.qualified(f"{_QUOTA_PREFIX}{name}")


def may_exceed(name: str) -> bool:
    """Whether more of it can be limited than is requested."""
    return _is_native(name) and not name.startswith(_HUGE)


def resource(name: str, path: str) -> Iterator[Cause]:
    """Any resource."""
    complaints = names.qualified(name)
    for problem in complaints:
        yield causes.wrong(path, name, problem)
    is_standard = name in _STANDARD or name.startswith((_HUGE, f"{_QUOTA_PREFIX}{_HUGE}"))
    if not complaints and "/" not in name and not is_standard:
        yield causes.wrong(path, name, "must be a standard resource type or fully qualified")


def of_container(name: str, path: str) -> Iterator[Cause]:
    """A resource that a container can ask for."""
    yield from resource(name, path)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(_HUGE):
            yield causes.wrong(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        yield causes.wrong(path, name, "doesn't follow extended resource name standard")


def of_pod(name: str, path: str) -> Iterator[Cause]:
    """A resource that a pod as a whole can ask for."""
    complaints = list(resource(name, path))
    yield from complaints
    if not complaints and name not in ("cpu", "memory") and not name.startswith(_HUGE):
        yield causes.unsupported(path, name, ("cpu", "hugepages-", "memory"))


def of_quota(name: str, path: str) -> Iterator[Cause]:
    """A resource that a quota can bound."""
    yield from resource(name, path)
    if "/" not in name and not is_quota(name):
        yield causes.wrong(path, name, "must be a standard resource for quota")


def amount(name: str, text: str, path: str) -> Iterator[Cause]:
    """How much of a resource."""
    value = quantities.parse(text).value
    if value < 0:
        yield causes.wrong(path, text, "must be greater than or equal to 0")
    if is_counted(name) and value.denominator != 1:
        yield causes.wrong(path, text, "must be an integer")


def requirements(value: Object, path: str, claims: set[str], of: Name = of_container) -> Iterator[Cause]:
    """Requests and limits of a container or a pod."""
    limits: Mapping[str, str] = value.get("limits") or {}
    requests: Mapping[str, str] = value.get("requests") or {}
    for name, text in sorted(limits.items()):
        yield from of(name, f"{path}.limits[{name}]")
        yield from amount(name, text, f"{path}.limits[{name}]")
        yield from _pages(name, text, f"{path}.limits[{name}]")
    for name, text in sorted(requests.items()):
        yield from of(name, f"{path}.requests[{name}]")
        yield from amount(name, text, f"{path}.requests[{name}]")
        yield from _request(name, text, limits, path)
        yield from _pages(name, text, f"{path}.requests[{name}]")
    asked = {*limits, *requests}
    if any(name.startswith(_HUGE) for name in asked) and not asked & {"cpu", "memory"}:
        yield causes.forbidden(path, "HugePages require cpu or memory")
    yield from _claims(value.get("claims") or (), claims, f"{path}.claims")


def _request(name: str, text: str, limits: Mapping[str, str], path: str) -> Iterator[Cause]:
    if name not in limits:
        if not may_exceed(name):
            yield causes.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    requested, limit = quantities.parse(text).value, quantities.parse(limits[name]).value
    if requested != limit and not may_exceed(name):
        yield causes.wrong(f"{path}.requests", text, f"must be equal to {name} limit of {limits[name]}")
    elif requested > limit:
        yield causes.wrong(f"{path}.requests", text, f"must be less than or equal to {name} limit of {limits[name]}")


def _pages(name: str, text: str, path: str) -> Iterator[Cause]:
    if not name.startswith(_HUGE):
        return
    try:
        size = quantities.parse(name.removeprefix(_HUGE)).value
    except ValueError:
        size = quantities.parse("0").value
    if size <= 0 or quantities.parse(text).value % size:
        yield causes.wrong(path, text, f"{text} is not positive integer multiple of {name}")


def _claims(claims: Any, declared: set[str], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, claim in enumerate(claims):
        name, here = claim.get("name") or "", f"{path}[{at}]"
        key = f"{name}/{claim['request']}" if claim.get("request") else name
        if not name:
            yield causes.required(here)
            continue
        if name in seen or key in seen:
            yield causes.duplicate(here, key)
        seen.add(key)
        if name not in declared:
            options = f": {', '.join(sorted(declared))}" if declared else " which is empty"
            cause = causes.missing(here, name)
            detail = f"must be one of the names in pod.spec.resourceClaims{options}"
            yield cause._replace(message=f"{cause.message}: {detail}")
