"""``Lab``: everything a lesson does to a cluster and sees of it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from labkit.clusters import cluster as clusters
from labkit.exercises import course, verdict
from labkit.lab import accesslogs, analyzing, evidence, explaining
from labkit.lab.sending import Sending
from labkit.telemetry import differences
from labkit.views import diffs, results, way

if TYPE_CHECKING:
    import pandas as pd

    from labkit.views.circuits import CircuitView
    from labkit.views.explorer import ExplorerView


class Lab(Sending):
    """A cluster and what a course does with it. ``lab = Lab.connect()``."""

    def __init__(self, cluster: clusters.Cluster, *, namespace: str = "default") -> None:
        super().__init__(cluster, namespace=namespace)
        self._answers: dict[str, object] = {}

    # What the mesh was told

    def circuits(
        self, name: str = "productpage", *, service: str = "", load: str = "", rate: float = 4.0
    ) -> "CircuitView":
        """Circuit breakers and ejected endpoints of a pod's proxy, live: ``lab.circuits(service="reviews")``.

        ``load`` is a URL inside the mesh that callers in this very pod ask for while you read, as many as you choose,
        each ``rate`` times a second at most.
        """
        from labkit.lab import rounds
        from labkit.telemetry import circuits
        from labkit.views.circuits import CircuitView

        def drive(callers: int, on_counts: Callable[[Mapping[int, int]], None]) -> Callable[[], None]:
            return rounds.Rounds(lambda: self._round(load, callers, rate, client=name), on_counts).start().stop

        return CircuitView(
            name,
            # Asked anew each time: a pod that was made again has another proxy.
            lambda: circuits.rows(circuits.read(self.proxy(name).ask, service=service)),
            drive=drive if load else None,
            load=load,
        ).look()

    def diff(self) -> diffs.Diff:
        """What the last ``apply`` or ``delete`` changed in the Envoys, field by field; ``table()`` gives a frame."""
        return diffs.Diff(differences=differences.between(self._before, self._configurations()))

    def explain(
        self,
        where: str = "/productpage",
        *,
        proxy: str = "istio-ingressgateway",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> way.Way:
        """Which listener, route, cluster and endpoint a request takes, and which YAML made it so.

        A path is asked of the gateway; a URL, ``http://reviews:9080/reviews/0``, of the sidecar of ``proxy``.
        """
        asked = self.proxy(proxy)
        return explaining.explain(asked, where, gateway=self.url, method=method, headers=headers or {})

    def explore(self, path: str = "/productpage") -> "ExplorerView":
        """A form for one request, as a user or with headers: its answer, its page, and its way through every proxy.

        The way is read from access logs. On a sandbox they are switched on when they are off.
        """
        from labkit.lab import exploring
        from labkit.views.explorer import ExplorerView

        logs = accesslogs.AccessLogs(self.api, self._doors, self._proxies)
        if self.cluster.is_sandbox and (done := logs.ensure(lambda manifest: self.apply(manifest, quiet=True))):
            done.shown()
        explorer = exploring.Explorer(
            lambda ask: exploring.fetch_of(self.url(), ask),
            lambda ask: self.explain(ask.path, headers=ask.headers),
            follow=logs.follow,
        )
        return ExplorerView(explorer.send, explain=explorer.explain, path=path)

    def access_logs(self, *, on: bool = True) -> results.Done:
        """Let every proxy write a line for each request, by one Telemetry for the mesh; ``on=False`` takes it back."""
        logs = accesslogs.AccessLogs(self.api, self._doors, self._proxies)
        switch = self.apply if on else self.delete
        return logs.switch(lambda manifest: switch(manifest, quiet=True), is_on=on).shown()

    def analyze(self) -> "pd.DataFrame":
        """What does not fit together in the course's namespace: a row each, with the object, Istio's code, and why."""
        findings = analyzing.findings(self.api, self.namespace, is_sandbox=self.cluster.is_sandbox)
        if not findings:
            results.Note(text=f"✔ No validation issues found when analyzing namespace: {self.namespace}.").shown()
        return analyzing.frame(findings)

    # Exercises

    def check(self, id: str) -> verdict.Verdict:
        """Judge an exercise on the live mesh; it never raises."""
        return course.find(id).judge(evidence.LabEvidence(self, self._answers))

    def hint(self, id: str, level: int = 1) -> results.Note:
        """A hint, from a nudge (1) to nearly the solution (3)."""
        return results.Note(text=course.find(id).hint(level))

    def solution(self, id: str) -> results.Note:
        """What solves it; nothing is applied."""
        return results.Note(text=course.find(id).solved_by, is_code=True)

    def answer(self, name: str, value: object) -> results.Note:
        """File the answer to a question: ``lab.answer("01-2", 3)``."""
        self._answers[name] = value
        return results.Note(text=f"filed: {value!r}").shown()
