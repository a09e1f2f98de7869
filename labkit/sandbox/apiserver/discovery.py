"""What the server serves, in the two forms clients ask for it."""

from collections.abc import Iterable

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def groups(kinds: registry.Registry, *, core: bool) -> dict[str, dict[str, list[registry.Served]]]:
    """Group → version → resources; the core group alone, or all others."""
    found: dict[str, dict[str, list[registry.Served]]] = {}
    for served in kinds.all():
        group, version, _ = served.path
        if (group == "") is core:
            found.setdefault(group, {}).setdefault(version, []).append(served)
    return found


def aggregated(kinds: registry.Registry, *, core: bool) -> Object:
    """Everything in one document."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
            "versions": [
                {"version": version, "resources": [_discovered(s) for s in found], "freshness": "Current"}
                for version, found in sorted(versions.items(), key=lambda x: preference(x[0]), reverse=True)
            ],
        }
        for group, versions in groups(kinds, core=core).items()
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _discovered(served: registry.Served) -> Object:
    schema = served.schema
    kind = {"group": schema.group, "version": schema.version, "kind": schema.kind}
    found: Object = {
        "resource": schema.plural,
        "responseKind": kind,
        "scope": "Namespaced" if schema.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": list(served.verbs),
    }
    if served.short_names:
        found["shortNames"] = list(served.short_names)
    if served.categories:
        found["categories"] = list(served.categories)
    if schema.subresources:
        found["subresources"] = [
            {"subresource": sub, "responseKind": _kind_of(served, sub), "verbs": verbs_of(sub)}
            for sub in schema.subresources
        ]
    return found


SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}


def _kind_of(served: registry.Served, sub: str) -> Object:
    schema = served.schema
    group, version, kind = SUBRESOURCE_KINDS.get(sub, (schema.group, schema.version, schema.kind))
    return {"group": group, "version": version, "kind": kind}


def verbs_of(sub: str) -> list[str]:
    """What may be asked of a subresource."""
    if sub in ("exec", "attach", "portforward"):
        return ["create", "get"]
    if sub in ("eviction", "token", "binding"):
        return ["create"]
    return ["get"] if sub == "log" else ["update"] if sub == "finalize" else ["get", "patch", "update"]


def preference(version: str) -> tuple[int, int, int]:
    """Sorts versions as Kubernetes prefers them: v2 over v1 over v1beta1."""
    digits = "".join(c if c.isdigit() else " " for c in version).split()
    major, minor = int(digits[0]) if digits else 0, int(digits[1]) if len(digits) > 1 else 0
    rank = 0 if "alpha" in version else 1 if "beta" in version else 2
    return rank, major, minor


def group_list(kinds: registry.Registry) -> Object:
    """``GET /apis`` in its plain form."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [group(name, versions) for name, versions in groups(kinds, core=False).items()],
    }


def group(name: str, versions: Iterable[str]) -> Object:
    """One API group."""
    ranked = sorted(versions, key=preference, reverse=True)
    entries = [{"groupVersion": f"{name}/{v}", "version": v} for v in ranked]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def resource_list(found: Iterable[registry.Served], api_version: str) -> Object:
    """``GET /apis/apps/v1``."""
    resources = []
    for served in found:
        schema = served.schema
        entry: Object = {
            "name": schema.plural,
            "singularName": served.singular,
            "namespaced": schema.namespaced,
            "kind": schema.kind,
            "verbs": list(served.verbs),
        }
        if served.short_names:
            entry["shortNames"] = list(served.short_names)
        if served.categories:
            entry["categories"] = list(served.categories)
        resources.append(entry)
        for sub in schema.subresources:
            kind = _kind_of(served, sub)
            below: Object = {
                "name": f"{schema.plural}/{sub}",
                "singularName": "",
                "namespaced": schema.namespaced,
                "kind": kind["kind"],
                "verbs": verbs_of(sub),
            }
            if (kind["group"], kind["version"]) != (schema.group, schema.version):
                below |= {"group": kind["group"], "version": kind["version"]}
            resources.append(below)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": resources,
    }
