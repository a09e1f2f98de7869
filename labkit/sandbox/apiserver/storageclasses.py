"""The admission plug-in ``DefaultStorageClass``: a claim that names no class gets the default one."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core

CLASSES = "storage.k8s.io/storageclasses"
IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
OLD_NAME = "volume.beta.kubernetes.io/storage-class"
"""The annotation by which a class was named before there was a field."""


class DefaultClass:
    """Fills in new claims."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def fill(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """The newest class that is marked as the default; nothing where none is, or the claim names one."""
        if old is not None or call.served.key != "/persistentvolumeclaims" or call.subresource:
            return None
        if new["spec"].get("storageClassName") is not None or OLD_NAME in (new["metadata"].get("annotations") or {}):
            return None
        name = default_of([item.object for item in self._core.store.table(CLASSES).items()])
        return {**new, "spec": {**new["spec"], "storageClassName": name}} if name else None


def default_of(classes: list[Object]) -> str:
    """The name of the default class; of several marked ones the newest."""
    marked = [c["metadata"] for c in classes if (c["metadata"].get("annotations") or {}).get(IS_DEFAULT) == "true"]
    newest = max(marked, key=lambda m: (m.get("creationTimestamp", ""), m["name"]), default=None)
    return str(newest["name"]) if newest else ""
