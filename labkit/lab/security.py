"""Who encrypts and who is who: what a lesson on security asks of a cluster."""

from typing import TYPE_CHECKING

from labkit.base import errors
from labkit.kube import resources
from labkit.lab import snapshots
from labkit.lab.connection import Connection
from labkit.mesh.explain import mutual_tls, paths
from labkit.telemetry import certificates, graph, workloads
from labkit.views import connectionpath, mutualtls

if TYPE_CHECKING:
    from labkit.views.certificates import CertificateView


class Security:
    """Mutual TLS and certificates of one cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mtls(self, service: str, *, client: str = "") -> mutualtls.MutualTls:
        """Mutual TLS of a service's pods, port by port: ``lab.mtls("reviews")``, ``lab.mtls("httpbin.legacy")``.

        Clients are pods of the lab's namespace, or those of the namespace ``client``.
        """
        namespace = self._connection.namespace
        host = mutual_tls.host_of(service, namespace)
        ports = mutual_tls.of_host(snapshots.read(self._connection.api), host, client=client or namespace)
        if not ports:
            name, place = host.split(".")[:2]
            raise errors.SetupError(f"{self._missing(name, place)}.", next_step="kubectl get services,pods -A")
        return mutualtls.MutualTls(host=host, ports=ports, counted=self._counted(host.split(".")[1]))

    def _counted(self, namespace: str) -> dict[str, mutualtls.Counted]:
        """What the proxies of a namespace counted, by the workload that was called."""
        pods = workloads.pods(self._connection.api, namespace)
        pages = self._connection.doors.metrics([p for p in pods if p.has_proxy and p.ip], graph.COUNTS)
        sums: dict[str, list[float]] = {}
        for way, totals in graph.totals(pages.values()).items():
            entry = sums.setdefault(way.target.rpartition("/")[2], [0, 0])
            entry[0] += totals.mutual
            entry[1] += totals.plain
        return {name: mutualtls.Counted(mutual=int(mutual), plain=int(plain)) for name, (mutual, plain) in sums.items()}

    def path(self, client: str, called: str, *, beside: str = "") -> connectionpath.ConnectionPaths:
        """Every program that a connection passes: ``lab.path("curl", "ratings:9080")``, or a pod's address and port.

        A client of another namespace, a gateway say, is ``NAME.NAMESPACE``: ``istio-ingressgateway.istio-system``.
        ``beside`` draws the same pair next to it as if both were in the mesh by ``sidecars`` or ``ambient``.
        """
        drawn = paths.Paths(snapshots.read(self._connection.api))
        namespace = self._connection.namespace
        try:
            every = [drawn.of(client, called, namespace=namespace)]
            if beside:
                every.append(drawn.of(client, called, namespace=namespace, as_if=beside))
        except paths.UnknownError as e:
            raise errors.SetupError(f"{str(e)[0].upper()}{str(e)[1:]}.", next_step="kubectl get services,pods") from e
        return connectionpath.ConnectionPaths(paths=every)

    def certificates(self, name: str = "") -> "CertificateView":
        """Who each proxy is, by whom that is certified and for how long, live: ``lab.certificates("reviews")``.

        ``name`` is how the names of the pods begin; without one, all proxies are shown.
        """
        from labkit.views.certificates import CertificateView

        def read() -> list[certificates.Held]:
            pods = [pod for pod in self._connection.proxies() if pod.name.startswith(name) and pod.phase == "Running"]
            return certificates.held(self._connection.doors.envoys(pods, certificates.ASK))

        if name:
            self._connection.proxy(name)  # its error names what there is to ask for
        return CertificateView(read).look()

    def _missing(self, name: str, namespace: str) -> str:
        if self._connection.api.find(resources.SERVICES, name, namespace) is None:
            return f"There is no Service {namespace}/{name}"
        return f"Service {namespace}/{name} has no ready pod, so there is nothing to be encrypted"
