"""What a CustomResourceDefinition makes the server serve."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import strategies
from labkit.sandbox.apiserver.registry import Served, priority

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which a real server lists them for custom resources."""


def served_by(crd: Object) -> list[Served]:
    """One resource for each served version."""
    spec = crd["spec"]
    names = spec["names"]
    stored = next((v["name"] for v in spec["versions"] if v.get("storage")), "")
    return [
        Served(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            singular=names.get("singular") or names["kind"].lower(),
            kind=names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            verbs=VERBS,
            subresources=tuple(sorted(version.get("subresources") or (), reverse=True)),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            list_kind=names.get("listKind") or f"{names['kind']}List",
            crd=crd,
            stored=f"{spec['group']}/{stored}",
            deprecation=_deprecation(spec, version),
            strategy=strategies.CUSTOM,
        )
        for version in spec["versions"]
        if version.get("served")
    ]


def _deprecation(spec: Object, version: Object) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    kind, group, name = spec["names"]["kind"], spec["group"], version["name"]
    current = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    better = min((v for v in current if priority(v) < priority(name)), key=priority, default="")
    end = f"; use {group}/{better} {kind}" if better else ""
    return f"{group}/{name} {kind} is deprecated{end}"
