"""``Lab``: everything a lesson does to a cluster and sees of it."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from labkit.base import choice, errors, settings
from labkit.clusters import cluster as clusters
from labkit.clusters import sandbox
from labkit.exercises import causes, course, lesson21, verdict
from labkit.lab import accesslogs, analyzing, evidence, explaining, istioctl, observing
from labkit.lab.changes import Changes
from labkit.lab.connection import Connection
from labkit.lab.graphing import Graphing
from labkit.lab.limiting import Limiting
from labkit.lab.observing import Observing
from labkit.lab.requests import Requests
from labkit.lab.security import Security
from labkit.telemetry import differences, logfilters
from labkit.views import diffs, results, way

if TYPE_CHECKING:
    import pandas as pd

    from labkit.lab.doctor import Report
    from labkit.traffic import tokens
    from labkit.views.circuits import CircuitView
    from labkit.views.exam import ExamView
    from labkit.views.explorer import ExplorerView
    from labkit.views.logs import LogView
    from labkit.views.logtable import LogTable
    from labkit.views.policies import PolicyView
    from labkit.views.xray import XRay


class Lab:
    """A cluster and what a course does with it. ``lab = Lab.connect()``.

    It is put together from parts, whose methods are its own: a connection, changes, requests, security, observing.
    """

    def __init__(self, cluster: clusters.Cluster, *, namespace: str = "default") -> None:
        self._connection = connection = Connection(cluster, namespace=namespace)
        self._observing = observed = Observing(connection, lambda path, headers: requests.send(path, headers=headers))
        self._changes = changes = Changes(connection, until_read=observed.until_read)
        self._requests = requests = Requests(connection, changes)
        self._security = security = Security(connection)
        self._limiting = limiting = Limiting(connection)
        self.graph = Graphing(connection, requests).graph
        self._logs = accesslogs.AccessLogs(
            connection.api, connection.doors, connection.proxies, requests.padlocks.sends, namespace=namespace
        )
        self._answers: dict[str, object] = {}

        self.cluster, self.namespace, self.api = cluster, namespace, connection.api
        self.can, self.kubectl, self.wait = connection.can, connection.kubectl, connection.wait
        self.istioctl = istioctl.Istioctl(cluster, namespace=namespace).printed
        self.pods, self.logged, self.memory = connection.pods, connection.logged, connection.memory
        self.proxy, self.control = connection.proxy, connection.control

        self.install_istio, self.deploy_bookinfo = changes.install_istio, changes.deploy_bookinfo
        self.install_gateway_api, self.dataplane = changes.install_gateway_api, changes.dataplane
        self.expose, self.goto, self.reset = changes.expose, changes.goto, changes.reset
        self.apply, self.delete, self.discard = changes.apply, changes.delete, changes.discard

        self.url, self.page, self.send = requests.url, requests.page, requests.send
        self.curl, self.fortio, self.https = requests.curl, requests.fortio, requests.https
        self.mesh, self.split, self.canary = requests.mesh, requests.split, requests.canary
        self.mtls, self.certificates, self.path = security.mtls, security.certificates, security.path
        self.limits = limiting.limits
        self.install_addon, self.promql, self.scraped = observed.install_addon, observed.promql, observed.scraped
        self.golden = observed.golden
        self.traces, self.trace, self.traced = observed.traces, observed.trace, observed.traced

    @classmethod
    def connect(
        cls, kubeconfig: str | Path | None = None, *, context: str | None = None, namespace: str | None = None
    ) -> Self:
        """The cluster that ``./lab up`` chose, a sandbox of this checkout unless told otherwise; or one you name.

        A sandbox is started if it does not run.
        """
        paths = settings.Paths()
        chosen = choice.current(paths)
        if kubeconfig:
            chosen = choice.Choice(kubeconfig=Path(kubeconfig).expanduser(), context=context)
        place = namespace or chosen.namespace
        if chosen.kubeconfig:
            return cls(clusters.of_choice(chosen), namespace=place)
        with sandbox.one_at_a_time(paths):
            return cls(sandbox.start(paths), namespace=place)

    def __repr__(self) -> str:
        lesson = f", lesson {self._changes.chapter}" if self._changes.chapter else ""
        return f"{type(self).__name__}({self.cluster}, namespace {self.namespace}{lesson})"

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
            return rounds.Rounds(lambda: self._requests.round(load, callers, rate, client=name), on_counts).start().stop

        return CircuitView(
            name,
            # Asked anew each time: a pod that was made again has another proxy.
            lambda: circuits.rows(circuits.read(self.proxy(name).ask, service=service)),
            drive=drive if load else None,
            load=load,
        ).look()

    def diff(self) -> diffs.Diff:
        """What the last ``apply`` or ``delete`` changed in the Envoys, field by field; ``table()`` gives a frame."""
        before, now = map(differences.snapshot, (self._changes.before, self._connection.configurations()))
        return diffs.Diff(differences=differences.between(before, now))

    def xray(self, what: str, *, proxy: str = "") -> "XRay":
        """What an object became in one Envoy, field by field: ``lab.xray("virtualservice/reviews")``.

        Without ``proxy`` it is productpage's, or the first one in which the object decides anything.
        ``table()`` has a row for each field, ``acks()`` one for each proxy and type that istiod sent.
        """
        from labkit.lab import xraying

        names = [proxy] if proxy else ["productpage", *(pod.name for pod in self._connection.proxies())]
        changes = self.diff().differences if self._changes.before else ()
        asked = map(self.proxy, names)
        return xraying.look(self.api, self._connection.doors, asked, what, self.namespace, changes=changes)

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
        return explaining.explain(self.api, asked, where, gateway=self.url, method=method, headers=headers or {})

    def explore(self, path: str = "/productpage") -> "ExplorerView":
        """A form for one request, as a user or with headers: its answer, its page, and its way through every proxy.

        The way is read from access logs. On a cluster that is there for the course alone they are switched on.
        """
        from labkit.lab import exploring
        from labkit.views.explorer import ExplorerView

        if self.can("owned") and (done := self._logs.ensure(lambda manifest: self.apply(manifest, quiet=True))):
            done.shown()
        explorer = exploring.Explorer(
            lambda ask: exploring.fetch_of(self.url(), ask),
            lambda ask: self.explain(ask.path, headers=ask.headers),
            follow=self._logs.follow,
        )
        return ExplorerView(explorer.send, explain=explorer.explain, path=path)

    def access_logs(self, *, on: bool = True) -> results.Done:
        """Let every proxy write a line for each request, by one Telemetry for the mesh; ``on=False`` takes it back.

        For the own namespace alone where you may not change ``istio-system``.
        """
        switch = self.apply if on else self.delete
        return self._logs.switch(lambda telemetry: switch(telemetry, quiet=True), is_on=on).shown()

    @overload
    def logs(self, name: str, *, container: str = ..., tail: int = ...) -> results.Printed: ...

    @overload
    def logs(self, *, last: int = ..., follow: Literal[False] = ..., **only: Any) -> "LogTable": ...

    @overload
    def logs(self, *, last: int = ..., follow: Literal[True], **only: Any) -> "LogView": ...

    def logs(
        self, name: str = "", *, container: str = "", tail: int = 20, last: int = 20, follow: bool = False, **only: Any
    ) -> "results.Printed | LogTable | LogView":
        """The last lines of a Deployment's pod, ``lab.logs("ratings-v1")``; ``container="istio-proxy"`` for its Envoy.

        Without a name, the access logs of all proxies as a table: ``lab.logs(failed=True)``, ``lab.logs(flags="UF")``,
        ``lab.logs(proxy="reviews", path="/reviews", status=503, last=5)``. ``[-1].explain()`` explains the newest.
        ``lab.logs(follow=True)``, with any of these, shows lines as they are written.
        """
        if name:
            return self._connection.logs(name, container=container, tail=tail)
        chosen = logfilters.of_words(only)
        return self._logs.live(chosen, last=last) if follow else self._logs.table(chosen, last=last)

    def doctor(self) -> "Report":
        """What this machine and the cluster lack, and a command that mends each; nothing is changed."""
        from labkit.clusters import commands
        from labkit.lab import doctor

        paths = settings.Paths()
        return doctor.examine(paths, self._chosen(paths), commands.Machine(paths))

    def _chosen(self, paths: settings.Paths) -> choice.Choice:
        if self.cluster.kubeconfig == paths.kubeconfig:
            return choice.Choice(namespace=self.namespace)
        return choice.Choice(kubeconfig=self.cluster.kubeconfig, context=self.cluster.context, namespace=self.namespace)

    def tracing(self, sampling: float = 100.0, *, on: bool = True) -> results.Done:
        """Let every proxy send spans of so many per cent of the requests to Jaeger; ``on=False`` takes it back.

        It is one Telemetry for the mesh, ``manifests/tracing.yaml``; it holds for every connection when this returns.
        """
        telemetry = observing.tracing(sampling)
        changes = self.apply(telemetry, quiet=True) if on else self.delete(telemetry, quiet=True)
        self._logs.until_drained()
        sentence = f"Traced: {sampling:g} % of the requests." if on else "The kit asks for no traces."
        if on and (older := self._logs.older("tracing")):
            sentence = accesslogs.overruled("tracing", older)
        return results.Done(
            sentence=sentence, details=[str(changes.live)] if on and changes.live else [], command=changes.command
        ).shown()

    def analyze(self) -> "pd.DataFrame":
        """What does not fit together in the course's namespace: a row each, with the object, Istio's code, and why."""
        findings = analyzing.findings(self.api, self.namespace, has_caveats=self.can("caveats"))
        if self.can("local-pods"):
            with contextlib.suppress(errors.LabError):  # without istiod nobody knows
                page = self._connection.doors.istiod("/debug/labkit/pushes")
                findings = [*analyzing.refused(page, self.namespace), *findings]
        if not findings:
            results.Note(text=f"✔ No validation issues found when analyzing namespace: {self.namespace}.").shown()
        return analyzing.frame(findings)

    # Who may do what

    def policies(self, *, method: str = "GET", path: str = "") -> "PolicyView":
        """Who may call whom in the course's namespace: what the policies say beside what requests are answered.

        Each service is asked for a path of its own unless ``path`` names one; ``.allowed`` and ``.differences`` are
        plain values.
        """
        from labkit.lab.permissions import Permissions
        from labkit.views.policies import PolicyView

        asking = Permissions(self._connection, method=method, path=path)
        return PolicyView(asking.ask, asking.measure).look()

    @staticmethod
    def token(subject: str, **claims: Any) -> "tokens.Token":
        """A token for an end user, signed by the key of the lessons: ``lab.token("jason", groups=["admins"])``.

        Beside claims: ``issuer=``, ``lifetime=`` in seconds (negative: expired), ``is_forged=True``,
        ``algorithm="none"``. ``token.bearer`` is the header that carries it.
        """
        from labkit.traffic import tokens

        return tokens.token(subject, **claims)

    @staticmethod
    def jwks() -> str:
        """The public key by which the lessons' tokens are checked: ``jwks`` of a RequestAuthentication."""
        from labkit.traffic import tokens

        return tokens.jwks()

    # Exercises

    def break_(self, incident: str) -> results.Note:
        """Break the mesh in one of the clinic's ways: ``lab.break_("c3")``. What people complain of is the answer.

        It begins where the lesson begins, so what an incident before it left is gone.
        """
        broken = lesson21.incident(incident)
        self.goto("21")
        self.apply(f"manifests/{broken.manifest}", quiet=True)
        self._answers.pop(broken.id, None)
        return results.Note(text=f"{broken.name}: {broken.complaint}").shown()

    def exam(self) -> "ExamView":
        """The mock exam: sixteen tasks in the ICA's proportions, two hours, a report; as ``./lab exam`` has it."""
        from labkit.exercises import causes
        from labkit.lab import examination
        from labkit.views.exam import ExamView

        steps = examination.Examination(settings.Paths(), lambda: self, command="lab.exam()")
        return ExamView(examination.Form(steps), effects=causes.EFFECTS)

    def check(self, id: str) -> verdict.Verdict:
        """Judge an exercise on the live mesh; it never raises."""
        return course.find(id).judge(evidence.LabEvidence(self, self._answers))

    def hint(self, id: str, level: int = 1) -> results.Note:
        """A hint, from a nudge (1) to nearly the solution (3)."""
        return results.Note(text=course.find(id).hint(level))

    def solution(self, id: str) -> results.Note:
        """What solves it; nothing is applied."""
        return results.Note(text=course.find(id).solved_by, is_code=True)

    def answer(self, name: str, value: object, *, field: str = "", effect: str = "") -> results.Note:
        """File the answer to a question: ``lab.answer("01-2", 3)``.

        A cause has three parts: ``lab.answer("c3", "peerauthentication/default", field="spec.mtls.mode", effect="…")``.
        """
        if name in lesson21.BY_NAME:
            name = lesson21.BY_NAME[name].id
        self._answers[name] = {"object": value, "field": field, "effect": effect} if field or effect else value
        return results.Note(text=f"filed: {self._answers[name]!r}").shown()

    def effects(self) -> results.Printed:
        """What an object can do to requests: the words for ``lab.answer(…, effect="…")``."""
        rows = [f"{word:<18} {sentence}" for word, sentence in causes.EFFECTS.items()]
        return results.Printed(command="", text="\n".join(rows), code=0)
