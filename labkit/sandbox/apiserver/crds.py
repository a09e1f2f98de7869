"""CustomResourceDefinitions: accepted at once, and served as soon as they are stored."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import custom
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.store import DELETED, Change

TABLE = "apiextensions.k8s.io/customresourcedefinitions"

ACCEPTED = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)


class Definitions:
    """Keeps the registry in step with the stored definitions."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def __repr__(self) -> str:
        return f"Definitions({self._core.registry!r})"

    def start(self) -> None:
        """Serve what is stored, and follow."""
        table = self._core.store.table(TABLE)
        for item in table.items():
            self._serve(item.object)
        table.listeners.add(self._hear)

    def stop(self) -> None:
        """Follow no more."""
        self._core.store.table(TABLE).listeners.discard(self._hear)

    def _hear(self, change: Change) -> None:
        if change.type == DELETED:
            self._core.registry.set_custom(change.item.object["metadata"]["name"], [])
        elif change.previous is None or change.previous.object["spec"] != change.item.object["spec"]:
            self._serve(change.item.object)

    def _serve(self, crd: Object) -> None:
        self._core.registry.set_custom(crd["metadata"]["name"], custom.served_by(crd))


async def prepare(call: Call, new: Object, old: Object | None) -> Object | None:
    """The definition with the status it gets at once: names accepted, established."""
    if call.served.key != TABLE or call.subresource:
        return None
    spec = new.get("spec") or {}
    names = spec.get("names") or {}
    status = dict(new.get("status") or {})
    known = {c["type"]: c for c in status.get("conditions") or []}
    for kind, reason, message in ACCEPTED:
        known.setdefault(
            kind,
            {
                "type": kind,
                "status": "True",
                "lastTransitionTime": timestamp(),
                "reason": reason,
                "message": message,
            },
        )
    stored = list(status.get("storedVersions") or [])
    current = next((v.get("name") for v in spec.get("versions") or [] if v.get("storage")), None)
    if current and current not in stored:
        stored.append(current)
    status |= {"conditions": list(known.values()), "acceptedNames": names, "storedVersions": stored}
    return {**new, "status": status}
