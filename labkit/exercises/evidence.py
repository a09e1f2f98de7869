"""All that a check may look at. Checks never see a ``Lab``, so they can be tried on evidence made by hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from labkit.kube.resources import Object, Resource
from labkit.telemetry import inside

if TYPE_CHECKING:
    import pandas as pd


class Evidence(Protocol):
    """A look at the cluster as it is now."""

    def resource(self, kind: Resource, name: str, namespace: str = "") -> Object | None:
        """One object, or None; without a namespace, of the course's."""

    def resources(self, kind: Resource, namespace: str = "") -> list[Object]:
        """Every object of a kind in a namespace, likewise."""

    def send(
        self,
        path: str,
        *,
        count: int = 1,
        user: str = "",
        headers: Mapping[str, str] | None = None,
        through: str = "",
    ) -> "pd.DataFrame":
        """Requests through the gateway, or a named one of the Gateway API: a row each, columns as ``lab.send``'s."""

    def curl(self, url: str, *options: str) -> inside.Answer:
        """One request from inside the mesh, from the pod of Deployment curl."""

    def load(self, url: str, *, connections: int, count: int) -> inside.Counts:
        """Many requests from inside the mesh, as fast as answers come, from the pod of Deployment fortio-deploy."""

    def upstreams(self, pod: str) -> set[str]:
        """Hosts outside of its own pod that a pod's Envoy can send to; the pod by the beginning of its name."""

    def logged(self, name: str, text: str) -> int:
        """How many lines of a Deployment's log hold ``text``, once it is at rest."""

    def answer(self, name: str) -> object:
        """What the learner filed with ``lab.answer(name, value)``; None when nothing was filed."""
