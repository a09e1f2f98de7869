"""What checks may look at, taken from a lab."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labkit.base import errors
from labkit.exercises.diagnosis import rollouts
from labkit.kube import resources
from labkit.kube.resources import Object, Resource
from labkit.mesh.explain import explanations
from labkit.mesh.model import Config
from labkit.telemetry import inside
from labkit.traffic import fetching

if TYPE_CHECKING:
    import pandas as pd

    from labkit.lab.lab import Lab

ROLLOUT = 30.0
"""Seconds that a check waits for a rollout that is under way."""

SETTLES = 3.0
"""Seconds that a container has to run before it counts as started, by times in whole seconds."""

APPEARS = 3.0
"""Seconds that a controller may take to create a Deployment."""

TAIL = 50.0
"""Seconds until every connection of before a change of a policy is closed; Istio's proxies drain for 45."""

TAILED = (
    resources.AUTHORIZATION_POLICIES,
    resources.REQUEST_AUTHENTICATIONS,
    resources.PEER_AUTHENTICATIONS,
    resources.ENVOY_FILTERS,
)
"""Kinds that change listeners, which connections keep."""

EVERY = 0.05
"""Seconds between looks at it."""


class LabEvidence:
    """``exercises.Evidence`` of a running lab."""

    def __init__(self, lab: "Lab", answers: Mapping[str, object]) -> None:
        self._lab, self._answers = lab, answers

    @property
    def namespace(self) -> str:
        """The course's."""
        return self._lab.namespace

    def resource(self, kind: Resource, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._lab.api.find(kind, name, self._place(kind, namespace))

    def resources(self, kind: Resource, namespace: str = "") -> list[Object]:
        """Every object of a kind in a namespace; none where the kind is not served."""
        return self._listed(kind, self._place(kind, namespace))

    def everywhere(self, kind: Resource) -> list[Object]:
        """Every object of a kind, oldest first."""
        return sorted(self._listed(kind, None), key=_age)

    def _listed(self, kind: Resource, namespace: str | None) -> list[Object]:
        own = self._lab.namespace if kind.namespaced else ""
        return [{"kind": kind.kind, **obj} for obj in self._lab.api.visible(kind, namespace, own=own)]

    def config(self, pod: str, namespace: str = "") -> Config | None:
        """What the Envoy of a pod has; None where there is no such pod with an Envoy."""
        try:
            dump = self._lab.proxy(pod).ask("config_dump?include_eds")
        except errors.SetupError:
            return None
        return explanations.from_dump(json.loads(dump))

    def address(self, *, through: str = "") -> str:
        """Host and port of a gateway."""
        return urlsplit(self._lab.url(through=through)).netloc

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

    def fetch(
        self, path: str, *, user: str = "", headers: Mapping[str, str] | None = None, through: str = ""
    ) -> fetching.Answer:
        """One request through a gateway, with the whole answer."""
        try:
            return fetching.fetch(self._lab.url(through=through), path, user=user, headers=headers)
        except fetching.UnreachableError:
            return fetching.Answer(status=0, text="", headers={})

    def curl(self, url: str, *options: str) -> inside.Answer:
        """One request from inside the mesh."""
        return self._lab.curl(url, *options)

    def load(self, url: str, *, connections: int, count: int) -> inside.Counts:
        """Many requests from inside the mesh."""
        return self._lab.fortio(url, connections=connections, count=count)

    def logged(self, name: str, text: str) -> int:
        """Lines of a log."""
        return self._lab.logged(name, text)

    def answer(self, name: str) -> object:
        """What the learner filed."""
        return self._answers.get(name)

    def until_rolled_out(self, name: str, namespace: str = "", *, is_coming: bool = False) -> float:
        """Wait while the Deployment and its pods make progress."""
        begin = time.monotonic()
        while is_coming and self.resource(resources.DEPLOYMENTS, name, namespace) is None:
            if time.monotonic() - begin > APPEARS:
                break
            time.sleep(EVERY)
        while self._is_under_way(name, namespace) and time.monotonic() - begin < ROLLOUT:
            time.sleep(EVERY)
        waited = time.monotonic() - begin
        return waited if waited > EVERY else 0.0

    def _is_under_way(self, name: str, namespace: str) -> bool:
        deployment = self.resource(resources.DEPLOYMENTS, name, namespace)
        if deployment is None:
            return False
        pods = rollouts.pods_of(deployment, self.resources(resources.PODS, namespace))
        if rollouts.is_under_way(deployment, pods):
            return True
        # A program that ends at once is ready for a moment, where nothing probes it.
        return rollouts.is_done(deployment) and _is_younger(rollouts.youngest_start(pods), SETTLES)

    def unsettled(self) -> float:
        """Seconds in which connections of before the last change of a policy may be open."""
        if not self._lab.can("old-answers"):
            return 0.0
        changed = [_last_change(obj) for kind in TAILED for obj in self._listed(kind, None)]
        ages = [(datetime.now(UTC) - time).total_seconds() for time in changed if time]
        return max(0.0, TAIL - min(ages, default=TAIL))

    def until_live(self) -> str:
        """Wait until what is stored of the mesh's objects is what the proxies have."""
        kinds = (*resources.ISTIO, *resources.GATEWAY_API)
        stored = [obj for kind in kinds for obj in self._listed(kind, None)]
        control = self._lab.control
        state = control.until_live(control.versions_of(stored))
        return "" if state is None or state.is_everywhere else str(state)

    def _place(self, kind: Resource, namespace: str) -> str | None:
        return (namespace or self._lab.namespace) if kind.namespaced else None


def _is_younger(time_text: str, seconds: float) -> bool:
    """Whether a time of the API is less than so many seconds ago; the API writes whole seconds."""
    if not time_text:
        return False
    started = datetime.fromisoformat(time_text.replace("Z", "+00:00"))
    return 0 <= (datetime.now(UTC) - started).total_seconds() < seconds


def _last_change(obj: Object) -> datetime | None:
    """When somebody last wrote its spec."""
    fields = obj["metadata"].get("managedFields") or []
    times = [entry["time"] for entry in fields if entry.get("time") and not entry.get("subresource")]
    newest = max(times, default=obj["metadata"].get("creationTimestamp") or "")
    return datetime.fromisoformat(newest.replace("Z", "+00:00")) if newest else None


def _age(obj: Object) -> tuple[str, str, str]:
    created = obj["metadata"].get("creationTimestamp") or ""
    return created, resources.name_of(obj), resources.namespace_of(obj)
