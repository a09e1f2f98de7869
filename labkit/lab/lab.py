"""``Lab``: everything a lesson does to a cluster and sees of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import traffic
from labkit.base import errors, settings
from labkit.clusters import cluster as clusters
from labkit.clusters import sandbox
from labkit.exercises import course, verdict
from labkit.install import bookinfo, gateway, istio, kinds
from labkit.kube import client, manifests, resources
from labkit.lab import (
    accesslogs,
    analyzing,
    applying,
    arriving,
    chapters,
    control,
    doors,
    evidence,
    explaining,
    splitting,
)
from labkit.lab.kubectl import Kubectl, shown
from labkit.telemetry import differences, inside, proxies, quiet, workloads
from labkit.traffic import fetching
from labkit.views import page, results, steps, way

if TYPE_CHECKING:
    import pandas as pd

    from labkit.views.canary import CanaryView
    from labkit.views.circuits import CircuitView
    from labkit.views.explorer import ExplorerView
    from labkit.views.split import SplitView

SPLIT_RATE = 40.0
"""Requests per second of a split view: 600, enough for a verdict, in 15 s."""


class Lab:
    """A cluster and what a course does with it. ``lab = Lab.connect()``."""

    def __init__(self, cluster: clusters.Cluster, *, namespace: str = "default") -> None:
        self.cluster = cluster
        self.namespace = namespace
        """Where the course's application lives."""

        self.api: client.Client = cluster.client()
        self._kubectl = Kubectl(cluster, namespace=namespace)
        self._doors = doors.Doors(self.api, cluster, self._kubectl)
        self._control = control.ControlPlane(self.api, cluster, self._doors)
        self._before: differences.Snapshot = {}
        self._chapter = ""
        self._answers: dict[str, object] = {}

    @classmethod
    def connect(
        cls, kubeconfig: str | Path | None = None, *, context: str | None = None, namespace: str = "default"
    ) -> "Lab":
        """The sandbox of this checkout, started if it does not run; or the cluster of a kubeconfig you name.

        ``LABKIT_KUBECONFIG`` and ``LABKIT_CONTEXT`` name one for every notebook, so none has to change.
        """
        named = Path(kubeconfig).expanduser() if kubeconfig else settings.kubeconfig_asked_for()
        if named:
            if not named.exists():
                raise errors.SetupError(
                    f"There is no kubeconfig {named}.", next_step="check the path, or Lab.connect() for the sandbox"
                )
            asked = context or settings.context_asked_for()
            return cls(clusters.of_kubeconfig(named, context=asked), namespace=namespace)
        paths = settings.Paths()
        with sandbox.one_at_a_time(paths):
            return cls(sandbox.start(paths), namespace=namespace)

    def __repr__(self) -> str:
        kind = "sandbox" if self.cluster.is_sandbox else f"cluster of {self.cluster.kubeconfig}"
        lesson = f", lesson {self._chapter}" if self._chapter else ""
        return f"Lab({kind}, namespace {self.namespace}{lesson})"

    def can(self, capability: str) -> bool:
        """Whether this kind of cluster does it: ``lab.can("ambient")``."""
        return capability in self.cluster.capabilities

    # The steps of an installation

    def install_istio(self) -> results.Done:
        """Istio's default profile: control plane, webhooks, ingress gateway; ready when this returns."""
        with steps.Steps() as step:
            istio.install(self.api, on_step=step)
        return results.Done(
            sentence="Istio is installed: istiod and the ingress gateway are ready.", command=istio.COMMAND
        )

    def deploy_bookinfo(self) -> results.Done:
        """Label the namespace for injection, apply Bookinfo, wait for its pods."""
        with steps.Steps() as step:
            bookinfo.deploy(self.api, self.namespace, on_step=step)
        return results.Done(
            sentence="Bookinfo runs: six pods, each with a sidecar.",
            command=f"kubectl apply -n {self.namespace} -f manifests/bookinfo.yaml",
        )

    def expose(self) -> results.Done:
        """Apply Bookinfo's Gateway and VirtualService, wait until the page answers."""
        with steps.Steps() as step:
            address = gateway.expose(self.api, self.namespace, on_step=step)
        return results.Done(
            sentence=f"Bookinfo answers at {address}/productpage.",
            command=f"kubectl apply -n {self.namespace} -f manifests/bookinfo-gateway.yaml",
        )

    def goto(self, chapter: str) -> results.Done:
        """Bring the cluster to where a lesson begins, whatever it was before; ``lab.goto("07")``."""
        wanted = chapters.chapter(chapter)
        number = str(chapter).zfill(2)[:2]
        with steps.Steps() as step:
            arrival = arriving.arrive(self.api, self.cluster, wanted, namespace=self.namespace, on_step=step)
            if wanted.istio is not False:
                self._control.until_gone(self._control.versions_of(arrival.removed))
                self._control.until_live(self._control.versions(arrival.applied, self.namespace))
        self._chapter = number
        return results.Done(sentence=f"Ready for lesson {number}: {wanted.title}.", details=arrival.notes)

    def reset(self) -> results.Done:
        """Back to the beginning of the lesson."""
        return self.goto(self._chapter or "05")

    # Objects

    def apply(self, given: applying.Given) -> results.Changes:
        """``kubectl apply`` of a path, YAML text, an object or several, live in every Envoy when this returns.

        KubectlError in kubectl's words when it is refused; the last good configuration then stays.
        """
        objects = applying.objects_of(given)
        self._before = self._configurations() if control.configures(objects) else self._before
        done = self._kubectl("apply -f -", text=applying.text_of(objects), subject=applying.subject(objects))
        changes = applying.changes(done, applying.typed(given, "apply"))
        self._control.until_endpoints(objects, self.namespace)
        return replace(changes, live=self._control.until_live(self._control.versions(objects, self.namespace)))

    def delete(self, given: applying.Given) -> results.Changes:
        """``kubectl delete`` of what a manifest holds, gone from every Envoy too; what is not there is no error."""
        objects = applying.objects_of(given)
        versions = self._control.versions(objects, self.namespace)
        self._before = self._configurations() if versions else self._before
        done = self._kubectl("delete --ignore-not-found -f -", text=applying.text_of(objects))
        changes = applying.changes(done, applying.typed(given, "delete"))
        return replace(changes, live=self._control.until_gone(versions))

    def kubectl(self, words: str) -> results.Printed:
        """Run a kubectl command line on this cluster: ``lab.kubectl("get pods")``; its words either way."""
        done = self._kubectl.run(words)
        return results.Printed(command=shown(words), text=(done.out + done.err).rstrip("\n"), code=done.code)

    def pods(self, namespace: str = "") -> "pd.DataFrame":
        """A row a pod: app, version, ready containers, whether it has a sidecar."""
        return workloads.frame(workloads.pods(self.api, namespace or self.namespace))

    # Traffic

    def url(self, path: str = "", *, through: str = "") -> str:
        """The ingress gateway's address, ``http://127.0.0.1:30080``, with ``path`` behind it.

        ``through`` names a Gateway of the Gateway API, whose proxies are its own.
        """
        if through:
            found = gateway.url(self.api, name=f"{through}-istio", namespace=self.namespace)
        else:
            found = gateway.url(self.api)
        if found is None:
            step = "kubectl get gateway" if through else "lab.install_istio()"
            raise errors.SetupError(f"There is no {through or 'ingress'} gateway with an address.", next_step=step)
        return found + path

    def page(self, path: str = "/productpage", *, user: str = "", height: int = 640) -> page.Page:
        """A page as it answers now, shown in the notebook."""
        base = self.url()

        def fetch(where: str) -> tuple[int, str]:
            found = fetching.fetch(base, where, user=user)
            return found.status, found.text

        return page.snapshot(base, path, fetch, height=height)

    def send(
        self,
        path: str = "/productpage",
        *,
        count: int | None = None,
        rate: float | None = None,
        duration: float | None = None,
        user: str = "",
        headers: Mapping[str, str] | None = None,
        through: str = "",
    ) -> "pd.DataFrame":
        """Send GET requests through the gateway: a row each (time, status, latency_ms, version, pod, error …)."""
        url = self.url(through=through)
        return traffic.send(url, path, count=count, rate=rate, duration=duration, user=user, headers=headers)

    def split(
        self, service: str = "reviews", *, path: str = "", rate: float = SPLIT_RATE, **weights: int
    ) -> "SplitView":
        """Sliders for the weights of a service's versions, and what traffic makes of them: ``lab.split(v1=90, v2=10)``.

        Without weights it begins with those that are asked for now, over all subsets that are defined.
        """
        from labkit.views.split import SplitView

        rules = self.api.list(resources.DESTINATION_RULES, self.namespace)
        known = splitting.subsets_of(rules, service)
        self._check_subsets(service, known, list(weights))
        asked = splitting.weights_of(self.api.find(resources.VIRTUAL_SERVICES, service, self.namespace))
        start = weights or {name: asked.get(name, 0) for name in known}
        if not any(start.values()):
            start = {name: 100 if name == known[0] else 0 for name in known}
        load = splitting.load(self.url(), service, path=path, rate=rate)
        return SplitView(
            service,
            start,
            apply=lambda chosen: self._apply_split(service, chosen),
            send=lambda on_batch: traffic.stream(load, on_batch).stop,
        )

    def canary(
        self,
        service: str = "reviews",
        *,
        stable: str,
        new: str,
        steps: Sequence[int] = (10, 25, 50, 100),
        error_budget: float = 0.01,
        path: str = "",
        rate: float = SPLIT_RATE,
    ) -> "CanaryView":
        """A new version that takes over step by step, and goes back by itself when it fails more than its budget."""
        from labkit.lab import canary
        from labkit.views.canary import CanaryView

        rules = self.api.list(resources.DESTINATION_RULES, self.namespace)
        self._check_subsets(service, splitting.subsets_of(rules, service), [stable, new])
        load = splitting.load(self.url(), service, path=path, rate=rate)
        return CanaryView(
            service,
            canary.Plan(stable=stable, new=new, steps=tuple(steps), error_budget=error_budget),
            apply=lambda chosen: self._apply_split(service, chosen),
            send=lambda on_batch: traffic.stream(load, on_batch).stop,
            measure=lambda: canary.counts(self.proxy(canary.caller_of(service)).ask, service),
        )

    def _apply_split(self, service: str, weights: Mapping[str, int]) -> str:
        live = self.api.find(resources.VIRTUAL_SERVICES, service, self.namespace)
        wanted = splitting.virtual_service(service, weights, namespace=self.namespace, live=live)
        self.apply(wanted)
        return manifests.dump(wanted)

    def _check_subsets(self, service: str, known: Sequence[str], asked: Sequence[str]) -> None:
        missing = [name for name in asked if name not in known]
        if not known or missing:
            what = f"no subset {missing[0]!r}" if known else "no subsets"
            raise errors.SetupError(
                f"DestinationRule {service} in namespace {self.namespace} defines {what}"
                f"{f'; it has {chr(44).join(known)}' if known else ''}.",
                next_step='lab.apply("manifests/destination-rules.yaml")',
            )

    def wait(self, *deployments: str) -> results.Done:
        """Until these Deployments have all their pods ready: ``lab.wait("httpbin", "curl")``."""
        missing = [d for d in deployments if self.api.find(resources.DEPLOYMENTS, d, self.namespace) is None]
        if missing:
            raise errors.SetupError(
                f"There is no Deployment {missing[0]} in namespace {self.namespace}.",
                next_step='lab.kubectl("get deployments")',
            )
        kinds.until_rolled_out(self.api, deployments, self.namespace, timeout=bookinfo.TIMEOUT)
        command = f"kubectl rollout status deploy/{deployments[0]}" if deployments else ""
        return results.Done(sentence=f"Ready: {', '.join(deployments)}.", command=command)

    def curl(self, url: str, *options: str, client: str = "curl") -> inside.Answer:
        """One request from inside the mesh: curl in the pod of Deployment ``client``; options are curl's own."""
        words = ["exec", f"deploy/{client}", "--", "curl", "-sS", "-i", "-w", inside.WRITE_OUT]
        done = self._kubectl.run([*words, *options, url])
        return inside.answer(done.out, done.err, done.code)

    def fortio(
        self, url: str, *, connections: int = 2, count: int = 20, client: str = "fortio-deploy"
    ) -> inside.Counts:
        """A load from inside the mesh, as fast as answers come: ``fortio load -c 2 -qps 0 -n 20 URL``."""
        load = ["load", "-c", str(connections), "-qps", "0", "-n", str(count), "-loglevel", "Warning", url]
        done = self._kubectl.run(["exec", f"deploy/{client}", "--", "/usr/bin/fortio", *load])
        return inside.counts(done.out + done.err)

    def logs(self, name: str, *, container: str = "", tail: int = 20) -> results.Printed:
        """The last lines of a Deployment's pod; ``container="istio-proxy"`` for those of its Envoy."""
        return self.kubectl(f"logs deploy/{name} --tail={tail}" + (f" -c {container}" if container else ""))

    def logged(self, name: str, text: str, *, container: str = "") -> int:
        """How many lines of a Deployment's log hold ``text``, once it is at rest: ``lab.logged("ratings-v1", "GET ")``.

        Lines arrive a moment after the request that they tell of.
        """
        return quiet.at_rest(lambda: sum(text in line for line in self.logs(name, container=container, tail=-1).lines))

    # What the mesh was told

    def proxy(self, name: str) -> proxies.Proxy:
        """The Envoy of a pod, by the beginning of the pod's name: ``lab.proxy("reviews-v1")``."""
        found = [pod for pod in self._proxies() if pod.name.startswith(name)]
        if found:
            pod = min(found, key=lambda w: w.phase != "Running")  # not one that is on its way out
            return proxies.Proxy(f"{pod.name}.{pod.namespace}", lambda path: self._doors.envoy(pod, path))
        raise errors.SetupError(
            f"No pod with an Envoy has a name that begins with {name!r}.", next_step='lab.kubectl("get pods -A")'
        )

    def circuits(self, name: str = "productpage", *, service: str = "") -> "CircuitView":
        """Circuit breakers and ejected endpoints of a pod's proxy, live: ``lab.circuits(service="reviews")``."""
        from labkit.telemetry import circuits
        from labkit.views.circuits import CircuitView

        proxy = self.proxy(name)
        return CircuitView(name, lambda: circuits.rows(circuits.read(proxy.ask, service=service))).look()

    def _proxies(self) -> list[workloads.Workload]:
        spaces = (self.namespace, istio.NAMESPACE)
        return [w for space in spaces for w in workloads.pods(self.api, space) if w.has_proxy and w.ip]

    def _configurations(self) -> differences.Snapshot:
        dumps = self._doors.envoys(self._proxies(), "config_dump")
        return {name: differences.parts(json.loads(text)) for name, text in dumps.items()}

    def diff(self) -> "pd.DataFrame":
        """What the last ``apply`` or ``delete`` changed in the Envoys: a row a field, with how many proxies have it."""
        return differences.frame(differences.between(self._before, self._configurations()))

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
        """A form for one request, as a user or with headers: its answer, its page, and what decided about it."""
        from labkit.lab import exploring
        from labkit.views.explorer import ExplorerView

        made = exploring.Explorer(
            lambda ask: exploring.fetch_of(self.url(), ask),
            lambda ask: self.explain(ask.path, headers=ask.headers),
            follow=accesslogs.AccessLogs(self.api, self._doors, self._proxies).follow,
        )
        return ExplorerView(made.send, explain=made.explain, path=path)

    def access_logs(self, *, on: bool = True) -> results.Done:
        """Let every proxy write a line for each request, by one Telemetry for the mesh; ``on=False`` takes it back."""
        logs = accesslogs.AccessLogs(self.api, self._doors, self._proxies)
        return logs.switch(self.apply if on else self.delete, is_on=on)

    def analyze(self) -> "pd.DataFrame":
        """What of the mesh's objects is not carried out as it stands: a row each, with the object and why."""
        return analyzing.frame(analyzing.findings(self.api, self.namespace, is_sandbox=self.cluster.is_sandbox))

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
        return results.Note(text=f"filed: {value!r}")
