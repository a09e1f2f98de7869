"""CustomResourceDefinitions: from a stored definition to paths that answer."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry, verbs

STORAGE = "customresourcedefinitions.apiextensions.k8s.io"


def accepted(crd: Object) -> Object:
    """The definition with the status it gets at once: names accepted, established."""
    spec = crd["spec"]
    names = dict(spec["names"])
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    now = verbs.now()
    known = {c["type"]: c for c in crd.get("status", {}).get("conditions") or []}
    wanted = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    conditions = [
        known.get(kind)
        or {"lastTransitionTime": now, "message": message, "reason": reason, "status": "True", "type": kind}
        for kind, reason, message in wanted
    ]
    stored = crd.get("status", {}).get("storedVersions") or []
    current = next(v["name"] for v in spec["versions"] if v.get("storage"))
    status = {
        "conditions": conditions,
        "acceptedNames": names,
        "storedVersions": [*stored, *([] if current in stored else [current])],
    }
    return {**crd, "spec": {**spec, "names": names}, "status": status}


def follow(kinds: registry.Registry, served: registry.Served, new: Object | None, old: Object | None) -> None:
    """Serve what a definition says, or stop."""
    if served.storage != STORAGE:
        return
    if new is not None:
        kinds.add_crd(new)
    elif old is not None:
        kinds.remove_crd(old["metadata"]["name"])
