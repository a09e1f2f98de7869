"""Ways to the admin pages of istiod and of Envoys.

An Envoy's is asked by a forwarded port, as ``istioctl`` does. istiod's is asked directly where pods have loopback
addresses; elsewhere by a forwarded port too, or by ``kubectl exec`` of the program that Istio puts beside it.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from http import HTTPStatus

from labkit.base import errors
from labkit.clusters import capabilities, forwarder
from labkit.clusters.cluster import Cluster
from labkit.install import istio
from labkit.kube import client, forwarding, resources, status
from labkit.kube.resources import Object
from labkit.lab.kubectl import Kubectl
from labkit.mesh import revisions
from labkit.telemetry import liveness, workloads

ISTIOD_PORT = 15014
ENVOY_PORT = 15000
METRICS_PORT = 15020
TIMEOUT = 20.0
"""Seconds; istiod's page about liveness may answer after ten."""

TOGETHER = 8
"""Proxies asked at the same time."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy of this machine."""


class UnreachableError(errors.LabError):
    """A page of istiod or of an Envoy cannot be had."""

    def __init__(self, what: str, problem: object) -> None:
        super().__init__(f"{what} does not answer: {problem}\nNext: kubectl get pods -A")


class NotAllowedError(UnreachableError):
    """This user may not ask istiod."""


class Doors:
    """Of one cluster."""

    def __init__(self, api: client.Client, cluster: Cluster, kubectl: Kubectl) -> None:
        self._api, self._cluster, self._kubectl = api, cluster, kubectl

    def istiod(self, path: str) -> str:
        """A page of istiod's debug port: ``/debug/syncz``; of several revisions, their pages as one."""
        if self._cluster.can(capabilities.LOCAL_PODS):
            return liveness.joined([_fetch("istiod", ip, ISTIOD_PORT, path) for ip in self._istiod_addresses()])
        try:
            # A forwarded port arrives from the pod's own loopback, for which Istio's debug pages ask no token.
            return forwarding.page(self._api, istio.NAMESPACE, self._istiod_pod(), ISTIOD_PORT, path, timeout=TIMEOUT)
        except (status.StatusError, OSError) as e:
            if isinstance(e, forwarding.PageError) and e.code == HTTPStatus.NOT_FOUND:
                # It said so itself: a program inside the pod would hear the same, and may not be run by this user.
                raise UnreachableError("istiod", f"HTTP 404 for {path}") from e
            return self._exec(istio.NAMESPACE, "deploy/istiod", "discovery", "pilot-discovery", path)

    def envoy(self, pod: workloads.Workload, path: str) -> str:
        """A page of one Envoy's admin port: ``config_dump``."""
        try:
            return forwarding.page(self._api, pod.namespace, pod.name, ENVOY_PORT, path, timeout=TIMEOUT)
        except (status.StatusError, OSError) as e:
            raise UnreachableError(f"the Envoy of {pod.name}", e) from e

    def envoys(self, pods: Sequence[workloads.Workload], path: str) -> Mapping[str, str]:
        """The same page of several, by pod; those that do not answer are left out."""
        with futures.ThreadPoolExecutor(TOGETHER) as pool:
            asked = {pod.name: pool.submit(self._try, lambda pod=pod: self.envoy(pod, path)) for pod in pods}  # type: ignore[misc]
        return {name: text for name, future in asked.items() if (text := future.result())}

    def metrics(self, pods: Sequence[workloads.Workload], page: str) -> Mapping[str, str]:
        """What Istio's agent answers on port 15020, by pod: ``stats/prometheus``; silent ones are left out."""
        with futures.ThreadPoolExecutor(TOGETHER) as pool:
            asked = {pod.name: pool.submit(self._try, lambda pod=pod: self._metrics(pod, page)) for pod in pods}  # type: ignore[misc]
        return {name: text for name, future in asked.items() if (text := future.result())}

    def _metrics(self, pod: workloads.Workload, page: str) -> str:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{METRICS_PORT}/proxy/{page}"
        try:
            code, _, body = self._api.raw("GET", path)
        except (status.StatusError, OSError) as e:
            raise UnreachableError(f"port {METRICS_PORT} of {pod.name}", e) from e
        if code != 200:
            raise UnreachableError(f"port {METRICS_PORT} of {pod.name}", f"HTTP {code}")
        return body.decode("utf-8", "replace")

    @staticmethod
    def _try(ask: Callable[[], str]) -> str:
        try:
            return ask()
        except errors.LabError:
            return ""

    def _exec(self, namespace: str, pod: str, container: str, program: str, path: str) -> str:
        return self._kubectl(["-n", namespace, "exec", pod, "-c", container, "--", program, "request", "GET", path]).out

    def _istiod_addresses(self) -> list[str]:
        """An address for each revision; one that is not ready yet counts where no other is."""
        placed = [pod for pod in self._istiods() if (pod.get("status") or {}).get("podIP")]
        ready = [pod for pod in placed if forwarder.is_ready(pod)]
        chosen = {resources.labels_of(pod).get(revisions.LABEL): pod for pod in (ready or placed[:1])[::-1]}
        if not chosen:
            raise UnreachableError("istiod", "none of its pods has an address")
        return [str(pod["status"]["podIP"]) for pod in chosen.values()]

    def _istiod_pod(self) -> str:
        ready = [resources.name_of(pod) for pod in self._istiods() if forwarder.is_ready(pod)]
        if not ready:
            raise UnreachableError("istiod", "none of its pods is ready")
        return ready[0]

    def _istiods(self) -> list[Object]:
        try:
            return self._api.list(resources.PODS, istio.NAMESPACE, labels="app=istiod")
        except status.StatusError as e:
            raise (NotAllowedError if e.code == 403 else UnreachableError)("istiod", e) from e


def _fetch(what: str, ip: str, port: int, path: str) -> str:
    try:
        with _DIRECT.open(f"http://{ip}:{port}{path}", timeout=TIMEOUT) as reply:
            return str(reply.read().decode("utf-8", "replace"))
    except (urllib.error.URLError, OSError) as e:
        raise UnreachableError(what, e) from e
