"""What a CustomResourceDefinition makes the server serve."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import strategies
from labkit.sandbox.apiserver.registry import Served

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
            subresources=tuple(sorted(version.get("subresources") or ())),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            list_kind=names.get("listKind") or f"{names['kind']}List",
            crd=crd,
            stored=f"{spec['group']}/{stored}",
            strategy=strategies.CUSTOM,
        )
        for version in spec["versions"]
        if version.get("served")
    ]
