"""Requests: through the gateway, from inside the mesh, and beside sliders that steer them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, overload

from labkit import traffic
from labkit.base import errors
from labkit.install import addresses, gateway, istio
from labkit.kube import manifests, resources
from labkit.lab import padlocks, rounds, splitting
from labkit.lab.changes import Changes
from labkit.lab.connection import Connection
from labkit.telemetry import flows, graph, inside, workloads
from labkit.traffic import authorities, fetching, secured
from labkit.views import page

if TYPE_CHECKING:
    import pandas as pd

    from labkit.views.browser import PageView
    from labkit.views.canary import CanaryView
    from labkit.views.meshmap import MeshView
    from labkit.views.split import Asked, SplitView

HTTPS = 443
"""The port of the gateway's Service."""

SPLIT_RATE = 40.0
"""Requests per second of a split view: 600, enough for a verdict, in 15 s."""


class Requests:
    """Requests to the applications of one cluster."""

    def __init__(self, connection: Connection, changes: Changes) -> None:
        self._connection, self._changes = connection, changes
        self.padlocks = padlocks.Padlocks(connection.api, connection.namespace, count=self._counted)

    def url(self, path: str = "", *, through: str = "") -> str:
        """The ingress gateway's address, ``http://127.0.0.1:30080``, with ``path`` behind it.

        ``through`` names a Gateway of the Gateway API, whose proxies are its own.
        """
        if through:
            address = gateway.url(self._connection.api, name=f"{through}-istio", namespace=self._connection.namespace)
        else:
            address = gateway.url(self._connection.api)
        if address is None:
            step = "kubectl get gateway" if through else "lab.install_istio()"
            raise errors.SetupError(f"There is no {through or 'ingress'} gateway with an address.", next_step=step)
        return address + path

    def https(
        self,
        name: str,
        path: str = "/productpage",
        *,
        trusting: authorities.Authority | None = None,
        showing: authorities.Issued | None = None,
    ) -> secured.Answer:
        """One request to the gateway's HTTPS port for a host: ``lab.https("shop.example", trusting=authority)``.

        ``trusting`` is the only authority whose servers are believed, ``showing`` the client's own certificate. Beside
        it: ``curl --resolve shop.example:443:ADDRESS --cacert ca.pem https://shop.example/productpage``.
        """
        service, space = gateway.SERVICE, istio.NAMESPACE
        address = addresses.find(self._connection.api, service, space, port=HTTPS, is_ingress=False)
        if address is None:
            raise errors.SetupError("There is no ingress gateway with an address.", next_step="lab.install_istio()")
        return secured.ask(address, name, path, trusting=trusting, showing=showing)

    def page(self, path: str = "/productpage", *, user: str = "") -> "PageView":
        """A page as it answers now, in the notebook, with a bar to reload it, go elsewhere, sign in and out."""
        from labkit.views.browser import PageView

        base = self.url()

        def fetch(path: str, user: str) -> page.Page:
            headers = {"Cookie": fetching.session(base, user=user)} if user else {}

            def text(where: str) -> tuple[int, str]:
                answer = fetching.fetch(base, where, headers=headers)
                return answer.status, answer.text

            return page.snapshot(base, path, text)

        return PageView(fetch, path=path, user=user)

    def mesh(self, *, path: str = "/productpage", rate: float = 10.0) -> "MeshView":
        """The mesh as a picture that moves: workloads, proxies, and requests as the proxies count them.

        Its button sends ``rate`` requests per second for ``path`` through the gateway.
        """
        from labkit.views.meshmap import MeshView

        def send(on_batch: traffic.OnBatch) -> Callable[[], None]:
            return traffic.stream(traffic.Load(url=self.url(), path=path, rate=rate), on_batch).stop

        return MeshView(self._flows, send=send, load=f"{rate:g} requests per second for {path}").look()

    def _counted(self) -> graph.Graph:
        proxies = [pod for pod in workloads.pods(self._connection.api) if pod.has_proxy and pod.ip]
        return graph.totals(self._connection.doors.metrics(proxies, graph.COUNTS).values())

    def _flows(self) -> tuple[list[flows.Node], list[flows.Flow]]:
        pods = [pod for pod in workloads.pods(self._connection.api) if pod.app != "istiod"]
        senders = [pod for pod in pods if pod.has_proxy and pod.ip]
        clusters = self._connection.doors.envoys(senders, "clusters?format=json")
        stats = self._connection.doors.envoys(senders, "stats?filter=upstream_rq_5xx")
        return flows.nodes(pods), self.padlocks.on(flows.flows(clusters, stats, pods))

    @overload
    def send(
        self, path: str = ..., *, user: str = ..., headers: Mapping[str, str] | None = ..., through: str = ...
    ) -> traffic.Sent: ...

    @overload
    def send(
        self,
        path: str = ...,
        *,
        count: int,
        rate: float | None = ...,
        user: str = ...,
        headers: Mapping[str, str] | None = ...,
        through: str = ...,
    ) -> "pd.DataFrame": ...

    @overload
    def send(
        self,
        path: str = ...,
        *,
        duration: float,
        rate: float | None = ...,
        user: str = ...,
        headers: Mapping[str, str] | None = ...,
        through: str = ...,
    ) -> "pd.DataFrame": ...

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
    ) -> "traffic.Sent | pd.DataFrame":
        """One GET request through the gateway, ``lab.send("/productpage").status``; or many, as a table.

        With ``count`` or ``duration``: a row for each request (time, status, latency_ms, version, pod, error …).
        """
        load = traffic.Load(
            url=self.url(through=through),
            path=path,
            count=1 if count is None and duration is None else count,
            rate=rate,
            duration=duration,
            user=user,
            headers=headers or {},
        )
        answers = traffic.collect(load)
        return answers[0] if count is None and duration is None else traffic.frame(answers)

    def curl(self, url: str, *options: str, client: str = "curl", namespace: str = "") -> inside.Answer:
        """One request from a pod: curl in that of Deployment ``client``; options are curl's own.

        It is a pod of the course's namespace, or of another that you name.
        """
        words = [
            "--namespace",
            namespace or self._connection.namespace,
            "exec",
            f"deploy/{client}",
            "--",
            "curl",
            "-sS",
            "-i",
            "-w",
            inside.WRITE_OUT,
        ]
        done = self._connection.run.run([*words, *options, url])
        return inside.answer(done.out, done.err, done.code)

    def fortio(
        self,
        url: str,
        *,
        connections: int = 2,
        count: int = 20,
        rate: float = 0.0,
        seconds: float = 0.0,
        client: str = "fortio-deploy",
    ) -> inside.Counts:
        """A load from inside the mesh: ``fortio load -c 2 -qps 0 -n 20 URL``.

        It goes as fast as answers come, or at ``rate`` requests per second; ``seconds`` says how long, instead of
        ``count``.
        """
        length = ["-t", f"{seconds:g}s"] if seconds else ["-n", str(count)]
        load = ["load", "-c", str(connections), "-qps", f"{rate:g}", *length, "-loglevel", "Warning", url]
        done = self._connection.run.run(["exec", f"deploy/{client}", "--", "/usr/bin/fortio", *load])
        return inside.counts(done.out + done.err)

    def round(self, url: str, callers: int, rate: float, *, client: str) -> inside.Counts:
        """A few seconds of load at a steady pace."""
        pace = ["-c", str(callers), "-qps", f"{callers * rate:g}", "-t", f"{rounds.SECONDS:g}s"]
        words = ["exec", f"deploy/{client}", "--", "/usr/bin/fortio", "load", *pace, "-loglevel", "Warning", url]
        done = self._connection.run.run(words)
        return inside.counts(done.out + done.err)

    def split(
        self, service: str = "reviews", *, path: str = "", rate: float = SPLIT_RATE, **weights: int
    ) -> "SplitView":
        """Sliders for the weights of a service's versions, and what traffic makes of them: ``lab.split(v1=90, v2=10)``.

        Without weights it begins with those that are asked for now, over all subsets that are defined.
        """
        from labkit.views.split import SplitView

        rules = self._connection.api.list(resources.DESTINATION_RULES, self._connection.namespace)
        subsets = splitting.subsets_of(rules, service)
        self._check_subsets(service, subsets, list(weights))
        asked = splitting.weights_of(
            self._connection.api.find(resources.VIRTUAL_SERVICES, service, self._connection.namespace)
        )
        start = weights or {name: asked.get(name, 0) for name in subsets}
        if not any(start.values()):
            start = {name: 100 if name == subsets[0] else 0 for name in subsets}
        load = splitting.load(self.url(), service, path=path, rate=rate)
        return SplitView(
            service,
            start,
            apply=lambda chosen: self._apply_split(service, chosen),
            send=lambda on_batch: traffic.stream(load, on_batch).stop,
            read=lambda: self._asked(service),
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

        rules = self._connection.api.list(resources.DESTINATION_RULES, self._connection.namespace)
        self._check_subsets(service, splitting.subsets_of(rules, service), [stable, new])
        load = splitting.load(self.url(), service, path=path, rate=rate)
        return CanaryView(
            service,
            canary.Plan(stable=stable, new=new, steps=tuple(steps), error_budget=error_budget),
            apply=lambda chosen: self._apply_split(service, chosen),
            send=lambda on_batch: traffic.stream(load, on_batch).stop,
            read=lambda: self._asked(service),
            measure=lambda: canary.counts(self._connection.proxy(canary.caller_of(service)).ask, service),
        )

    def _apply_split(self, service: str, weights: Mapping[str, int]) -> str:
        live = self._connection.api.find(resources.VIRTUAL_SERVICES, service, self._connection.namespace)
        virtual_service = splitting.virtual_service(service, weights, namespace=self._connection.namespace, live=live)
        self._changes.apply(virtual_service, quiet=True)
        return manifests.dump(virtual_service)

    def _asked(self, service: str) -> "Asked":
        from labkit.views.split import Asked

        live = self._connection.api.find(resources.VIRTUAL_SERVICES, service, self._connection.namespace)
        return Asked(weights=splitting.weights_of(live), yaml=splitting.yaml_of(live))

    def _check_subsets(self, service: str, subsets: Sequence[str], asked: Sequence[str]) -> None:
        missing = [name for name in asked if name not in subsets]
        if not subsets or missing:
            what = f"no subset {missing[0]!r}" if subsets else "no subsets"
            raise errors.SetupError(
                f"DestinationRule {service} in namespace {self._connection.namespace} defines {what}"
                f"{f'; it has {chr(44).join(subsets)}' if subsets else ''}.",
                next_step='lab.apply("manifests/destination-rules.yaml")',
            )
