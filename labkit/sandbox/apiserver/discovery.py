"""What is served, as clients discover it: plain and aggregated documents, and /version."""

import platform
from typing import Any

from labkit.base import versions as pins
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.registry import Registry, Served

VERSION = pins.kubernetes()
MINOR = VERSION.split(".")[1]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_READ_WRITE = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")

# Subresources that are not the object itself: the kind they speak, its group version, their verbs.
_SUBRESOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "attach": ("PodAttachOptions", "", ("create", "get")),
    "binding": ("Binding", "", ("create",)),
    "eviction": ("Eviction", "policy/v1", ("create",)),
    "exec": ("PodExecOptions", "", ("create", "get")),
    "log": ("Pod", "", ("get",)),
    "portforward": ("PodPortForwardOptions", "", ("create", "get")),
    "scale": ("Scale", "autoscaling/v1", _READ_WRITE),
    "token": ("TokenRequest", "authentication.k8s.io/v1", ("create",)),
    "finalize": ("Namespace", "", ("update",)),
    "approval": ("", "", _READ_WRITE),
}
_PROXIED = {"nodes": "NodeProxyOptions", "pods": "PodProxyOptions", "services": "ServiceProxyOptions"}


def version() -> Object:
    """The document at /version."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1",
        "minor": MINOR,
        "emulationMajor": "1",
        "emulationMinor": MINOR,
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": str(int(MINOR) - 1),
        "gitVersion": VERSION,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.25.0",
        "compiler": "gc",
        "platform": f"{platform.system().lower()}/{machine}",
    }


def subresources(served: Served) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """``(name, kind, group version of the kind or "", verbs)`` of each, by name."""
    listed = []
    for name in served.subresources:
        kind, group_version, verbs = _SUBRESOURCES.get(name, (served.kind, "", _READ_WRITE))
        listed.append((name, kind or served.kind, group_version, verbs))
    if served.group == "" and served.plural in _PROXIED:
        listed.append(("proxy", _PROXIED[served.plural], "", _PROXY))
    # Those of definitions in the order in which a real server adds them: status, scale.
    return listed if served.crd is not None else sorted(listed)


def versions() -> Object:
    """The plain document at /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group(registry: Registry, name: str) -> Object | None:
    """The plain document of one group."""
    listed = registry.versions().get(name)
    if not listed or not name:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, listed)}


def groups(registry: Registry) -> Object:
    """The plain document at /apis."""
    listed = [_group(name, versions) for name, versions in _ordered(registry)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def resources(registry: Registry, group: str, version: str) -> Object:
    """The plain document of one group version."""
    name = f"{group}/{version}" if group else version
    listed: list[Object] = []
    for served in registry.of_version(group, version):
        listed.append(_plain(served))
        for sub, kind, kind_version, verbs in subresources(served):
            entry: Object = {
                "name": f"{served.plural}/{sub}",
                "singularName": "",
                "namespaced": served.namespaced,
                "kind": kind,
                "verbs": list(verbs),
            }
            if kind_version:
                kind_group, _, only = kind_version.rpartition("/")
                entry |= {"group": kind_group, "version": only}
            listed.append(entry)
    if group in registry.versions() and not registry.is_builtin(group):
        for entry in listed:
            entry.pop("storageVersionHash", None)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def aggregated(registry: Registry, *, core: bool) -> Object:
    """The aggregated document at /api (the core group) or /apis (all others)."""
    names = [("", registry.versions()[""])] if core else _ordered(registry)
    items = []
    for name, listed in names:
        metadata: Object = {"name": name} if name else {}
        if name:
            metadata["creationTimestamp"] = None
        entries = [_version(registry, name, version) for version in listed]
        items.append({"metadata": metadata, "versions": entries})
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
    return head | {"items": items}


def paths(registry: Registry) -> list[str]:
    """Everything a client may ask for besides objects, as listed at ``/``."""
    listed = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
    for name, versions in _ordered(registry):
        listed += [f"/apis/{name}", *(f"/apis/{name}/{version}" for version in versions)]
    listed += ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks"]
    return sorted([*listed, "/readyz", "/version"])


def _ordered(registry: Registry) -> list[tuple[str, list[str]]]:
    """Groups but the core one: the server's own first."""
    listed = [(name, versions) for name, versions in registry.versions().items() if name]
    return sorted(listed, key=lambda item: (not registry.is_builtin(item[0]), item[0]))


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _plain(served: Served) -> Object:
    listed: Object = {
        "name": served.plural,
        "singularName": served.singular,
        "namespaced": served.namespaced,
        "kind": served.kind,
        "verbs": list(served.verbs),
    }
    return listed | _names(served)


def _names(served: Served) -> Object:
    listed: dict[str, Any] = {"shortNames": served.short_names, "categories": served.categories}
    return {key: list(value) for key, value in listed.items() if value}


def _version(registry: Registry, group: str, version: str) -> Object:
    listed = [_aggregated(served) for served in registry.of_version(group, version)]
    return {"version": version, "resources": listed, "freshness": "Current"}


def _aggregated(served: Served) -> Object:
    # Kinds of the server's own carry an empty group and version here; those of definitions carry theirs.
    custom = served.crd is not None
    own = {"group": served.group if custom else "", "version": served.version if custom else ""}
    listed: Object = {
        "resource": served.plural,
        "responseKind": {**own, "kind": served.kind},
        "scope": "Namespaced" if served.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": list(served.verbs),
        **_names(served),
    }
    subs = []
    for name, kind, kind_version, verbs in subresources(served):
        group, _, version = kind_version.rpartition("/")
        kind_of = {"group": group, "version": version} if kind_version else own
        subs.append({"subresource": name, "responseKind": {**kind_of, "kind": kind}, "verbs": list(verbs)})
    return listed | ({"subresources": subs} if subs else {})
