"""The service graph of a lab: what is deployed, what its proxies counted, and what is special about each workload."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labkit import traffic
from labkit.kube import resources, status
from labkit.kube.resources import Object
from labkit.lab.connection import Connection
from labkit.lab.requests import Requests
from labkit.telemetry import flows, graph, marks, proxystate, workloads

if TYPE_CHECKING:
    from labkit.views.graph import GraphView

SELDOM, RARELY = 3, 6
"""Of so many looks one asks which pods and rules there are, and one for ejected endpoints and open circuits, too.

Requests are counted anew at every look: they show within a second.
"""

APART = ("istiod", "prometheus", "jaeger", "grafana", "kiali")
"""Apps that belong to the mesh itself."""


class Graphing:
    """Of one cluster."""

    def __init__(self, connection: Connection, requests: Requests) -> None:
        self._connection, self._requests = connection, requests

    def graph(self, *, path: str = "/productpage", rate: float = 10.0) -> "GraphView":
        """The service graph, live: requests, failures, latency and mutual TLS between workloads, by Istio's metrics.

        A line opens the series of its way, a box the state of its proxies.
        Its button sends ``rate`` requests per second for ``path`` through the gateway.
        """
        from labkit.views.graph import GraphView

        def send(on_batch: traffic.OnBatch) -> Callable[[], None]:
            return traffic.stream(traffic.Load(url=self._requests.url(), path=path, rate=rate), on_batch).stop

        reader = Reader(self._connection)
        load = f"{rate:g} requests per second for {path}"
        return GraphView(reader.read, inspect=reader.inspect, send=send, load=load).look()


class Reader:
    """Looks at a mesh again and again; what changes rarely is asked for rarely."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._looks = 0
        self._pods: list[workloads.Workload] = []
        self._rules: list[Object] = []
        self._circuits: Mapping[str, list[str]] = {}
        self._counts: Mapping[str, str] = {}
        self._pages: Mapping[str, str] = {}
        self._totals: graph.Graph = {}

    def read(self) -> Any:
        """One ``views.graph.Reading``."""
        from labkit.views.graph import Reading

        if self._looks % SELDOM == 0:
            self._pods = [pod for pod in workloads.pods(self._connection.api) if self._belongs(pod)]
            self._rules = self._listed_rules()
        pods = self._pods
        proxies = [pod for pod in pods if pod.has_proxy and pod.ip]
        if self._looks % RARELY == 0:
            self._circuits = self._asked(proxies)
        self._looks += 1
        nodes = nodes_of([pod for pod in pods if pod.app != graph.ZTUNNEL])
        marked = {node.name: [*marks.of_rules(self._rules, node), *self._circuits.get(node.name, ())] for node in nodes}
        self._renew(proxies)
        return Reading(nodes=nodes, totals=graph.resolved(self._totals, only_workloads(nodes)), marks=marked)

    def inspect(self, node: str) -> dict[str, dict[str, str]]:
        """What the proxies of a node say of themselves, by pod."""
        pods = [pod for pod in workloads.pods(self._connection.api, node.partition("/")[0]) if pod.has_proxy and pod.ip]
        own = [pod for pod in pods if f"{pod.namespace}/{flows.workload_of(pod.name)}" == node]
        pages = {path: self._connection.doors.envoys(own, path) for path in proxystate.PAGES}
        return {
            pod.name: proxystate.state({path: texts[pod.name] for path, texts in pages.items() if pod.name in texts})
            for pod in own
        }

    def _renew(self, proxies: Sequence[workloads.Workload]) -> None:
        """Ask those proxies for their whole page that counted something since the last look."""
        doors = self._connection.doors
        counts = {pod: _counted(page) for pod, page in doors.metrics(proxies, graph.COUNTS).items()}
        changed = [pod for pod in proxies if pod.name in counts and counts[pod.name] != self._counts.get(pod.name)]
        if not changed and counts.keys() == self._counts.keys():
            return
        pages = {**self._pages, **doors.metrics(changed, graph.QUERY)}
        self._pages = {pod: page for pod, page in pages.items() if pod in counts}
        ztunnels = [pod.name for pod in proxies if pod.app == graph.ZTUNNEL and pod.name in self._pages]
        others = [page for pod, page in self._pages.items() if pod not in ztunnels]
        self._counts = counts
        self._totals = graph.totals(others, ztunnels=[self._pages[name] for name in ztunnels])

    def _belongs(self, pod: workloads.Workload) -> bool:
        is_near = pod.has_proxy or pod.namespace == self._connection.namespace
        return is_near and pod.app not in APART

    def _asked(self, proxies: Sequence[workloads.Workload]) -> Mapping[str, list[str]]:
        doors = self._connection.doors
        clusters = doors.envoys(proxies, "clusters?format=json")
        stats = doors.envoys(proxies, f"stats?filter={marks.OPEN}")
        return marks.of_circuits(clusters, stats, proxies)

    def _listed_rules(self) -> list[Object]:
        try:
            return self._connection.api.list(resources.VIRTUAL_SERVICES)
        except status.StatusError:
            return []


def _counted(page: str) -> str:
    """The lines that count requests; what an agent says of itself changes by being asked."""
    return "\n".join(line for line in page.splitlines() if line.startswith(("istio_requests", "istio_tcp")))


def nodes_of(pods: Sequence[workloads.Workload]) -> list[flows.Node]:
    """The workloads of these pods under the names that the graph has for them: ``default/reviews-v1``."""
    namespaces = sorted({pod.namespace for pod in pods})
    return [
        flows.Node(
            name=f"{namespace}/{node.name}",
            app=node.app,
            pods=node.pods,
            ready=node.ready,
            has_proxy=node.has_proxy,
        )
        for namespace in namespaces
        for node in flows.nodes(pod for pod in pods if pod.namespace == namespace)
    ]


def only_workloads(nodes: Sequence[flows.Node]) -> dict[str, str]:
    """Service → its workload, ``default/details`` → ``default/details-v1``, where it has one alone."""
    by_service: dict[str, list[str]] = {}
    for node in nodes:
        if node.app:
            by_service.setdefault(f"{node.name.partition('/')[0]}/{node.app}", []).append(node.name)
    return {service: names[0] for service, names in by_service.items() if len(names) == 1}
