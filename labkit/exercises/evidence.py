"""All that a check may look at. Checks never see a ``Lab``, so they can be tried on evidence a test writes down."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from labkit.kube.resources import Object, Resource
from labkit.mesh.model import Config
from labkit.telemetry import inside
from labkit.traffic import fetching

if TYPE_CHECKING:
    import pandas as pd

GATEWAY = "istio-ingressgateway"
"""How the pods of the ingress gateway begin."""


class Evidence(Protocol):
    """A look at the cluster as it is now."""

    @property
    def namespace(self) -> str:
        """The course's."""

    def resource(self, kind: Resource, name: str, namespace: str = "") -> Object | None:
        """One object, or None; without a namespace, of the course's."""

    def resources(self, kind: Resource, namespace: str = "") -> list[Object]:
        """Every object of a kind in a namespace, likewise; none where the cluster does not serve the kind."""

    def everywhere(self, kind: Resource) -> list[Object]:
        """Every object of a kind in every namespace, oldest first."""

    def config(self, pod: str, namespace: str = "") -> Config | None:
        """What istiod gave the Envoy of a pod, by the beginning of the pod's name; None where it has no Envoy.

        Without a namespace it is a pod of the course's, or the ingress gateway's.
        """

    def address(self, *, through: str = "") -> str:
        """Host and port at which the ingress gateway, or a named one of the Gateway API, is reached from outside."""

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

    def fetch(
        self, path: str, *, user: str = "", headers: Mapping[str, str] | None = None, through: str = ""
    ) -> fetching.Answer:
        """One request likewise, with the whole answer; status 0 when there is none."""

    def curl(self, url: str, *options: str) -> inside.Answer:
        """One request from inside the mesh, from the pod of Deployment curl."""

    def load(self, url: str, *, connections: int, count: int) -> inside.Counts:
        """Many requests from inside the mesh, as fast as answers come, from the pod of Deployment fortio-deploy."""

    def logged(self, name: str, text: str) -> int:
        """How many lines of a Deployment's log hold ``text``, once it is at rest."""

    def answer(self, name: str) -> object:
        """What the learner filed with ``lab.answer(name, value)``; None when nothing was filed."""

    def until_rolled_out(self, name: str, namespace: str = "", *, is_coming: bool = False) -> float:
        """Wait while a Deployment makes progress; the seconds it took, 0 when there was nothing to wait for.

        ``is_coming`` waits for one that a controller creates, too.
        """

    def unsettled(self) -> float:
        """Seconds in which connections that are open may still give answers of before the last change of a policy.

        0 where they cannot, as on a sandbox, whose proxies change what holds for a connection while it is open.
        """

    def until_live(self) -> str:
        """Wait until every proxy has what was applied; a sentence about those that do not, empty when all have."""
