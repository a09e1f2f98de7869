"""CustomResourceDefinitions: served as soon as they are stored."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import strategies
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.kinds_of_crds import served_by
from labkit.sandbox.apiserver.store import DELETED, Change

TABLE = "apiextensions.k8s.io/customresourcedefinitions"
STRATEGY = strategies.CUSTOM


class Definitions:
    """Keeps the registry in step with the stored definitions."""

    def __init__(self, core: Core) -> None:
        self._core = core

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
        self._core.registry.set_custom(crd["metadata"]["name"], served_by(crd))
