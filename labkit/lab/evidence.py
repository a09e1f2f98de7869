"""What checks may look at, taken from a lab."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.kube import status
from labkit.kube.resources import Object, Resource
from labkit.telemetry import inside

if TYPE_CHECKING:
    import pandas as pd

    from labkit.lab.lab import Lab


class LabEvidence:
    """``exercises.Evidence`` of a running lab."""

    def __init__(self, lab: "Lab", answers: Mapping[str, object]) -> None:
        self._lab, self._answers = lab, answers

    def resource(self, kind: Resource, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._lab.api.find(kind, name, self._place(kind, namespace))

    def resources(self, kind: Resource, namespace: str = "") -> list[Object]:
        """Every object of a kind in a namespace; none where the kind is not served."""
        try:
            return self._lab.api.list(kind, self._place(kind, namespace))
        except status.NotFound:
            return []

    def send(
        self,
        path: str,
        *,
        count: int = 1,
        user: str = "",
        headers: Mapping[str, str] | None = None,
        through: str = "",
    ) -> "pd.DataFrame":
        """Requests through a gateway."""
        return self._lab.send(path, count=count, user=user, headers=headers, through=through)

    def curl(self, url: str, *options: str) -> inside.Answer:
        """One request from inside the mesh."""
        return self._lab.curl(url, *options)

    def load(self, url: str, *, connections: int, count: int) -> inside.Counts:
        """Many requests from inside the mesh."""
        return self._lab.fortio(url, connections=connections, count=count)

    def upstreams(self, pod: str) -> set[str]:
        """Hosts of outbound clusters."""
        found = self._lab.proxy(pod).clusters()
        return set(found[found["direction"] == "outbound"]["service"])

    def logged(self, name: str, text: str) -> int:
        """Lines of a log."""
        return self._lab.logged(name, text)

    def answer(self, name: str) -> object:
        """What the learner filed."""
        return self._answers.get(name)

    def _place(self, kind: Resource, namespace: str) -> str | None:
        return (namespace or self._lab.namespace) if kind.namespaced else None
