"""A connection to a cluster: how to reach it, and what runs there."""

from typing import TYPE_CHECKING

from labkit.base import errors, waiting
from labkit.clusters import cluster as clusters
from labkit.install import bookinfo, dataplane, istio, kinds
from labkit.kube import client, resources
from labkit.lab import control, doors, endpoints
from labkit.lab.kubectl import Kubectl, only_reads, shown
from labkit.telemetry import differences, memory, proxies, quiet, workloads
from labkit.views import results

if TYPE_CHECKING:
    import pandas as pd

APPEARS = 3.0
"""Seconds that a Deployment may take to be there at all."""


class Connection:
    """A cluster, its API, kubectl, its pods and their proxies."""

    def __init__(self, cluster: clusters.Cluster, *, namespace: str = "default") -> None:
        self.cluster = cluster
        self.namespace = namespace
        """Where the course's application lives."""

        self.api: client.Client = cluster.client()
        self.run = Kubectl(cluster, namespace=namespace)
        """kubectl; called, it raises what it refuses."""

        self.doors = doors.Doors(self.api, cluster, self.run)
        self.control = control.ControlPlane(self.api, self.doors)

    def can(self, capability: str) -> bool:
        """Whether this kind of cluster does it: ``lab.can("ambient")``."""
        return self.cluster.can(capability)

    def kubectl(self, words: str) -> results.Printed:
        """Run a kubectl command line on this cluster: ``lab.kubectl("get pods")``; its words either way."""
        done = self.run.run(words)
        printed = results.Printed(command=shown(words), text=(done.out + done.err).rstrip("\n"), code=done.code)
        return printed.shown() if done.code or not only_reads(words) else printed

    def pods(self, namespace: str = "") -> "pd.DataFrame":
        """A row a pod: app, version, ready containers, whether it has a sidecar."""
        return workloads.frame(workloads.pods(self.api, namespace or self.namespace))

    def memory(self) -> memory.Memory:
        """What the mesh's proxies and the namespace's applications hold, by the nodes' kubelets."""
        pages = []
        for node in self.api.visible(resources.NODES):
            path = f"/api/v1/nodes/{resources.name_of(node)}/proxy/stats/summary"
            code, _, body = self.api.raw("GET", path)
            if code != 200:
                raise errors.SetupError(
                    f"The kubelet of node {resources.name_of(node)} does not say what its containers hold: {code}.",
                    next_step=f"kubectl get --raw {path}",
                )
            pages.append(body)
        return memory.of_pages(pages, namespace=self.namespace)

    def wait(self, *deployments: str, namespace: str = "") -> results.Done:
        """Until these Deployments have all pods ready, in ambient mode if they should be, and known to every proxy.

        ``lab.wait("httpbin")``; those of another namespace than the course's if you name it.
        """
        place = namespace or self.namespace
        for name in deployments:
            # Somebody may be about to make it: istiod makes a Gateway's, once it has heard of it.
            waiting.until(
                lambda name=name: self.api.find(resources.DEPLOYMENTS, name, place),  # type: ignore[misc]
                what=f"Deployment {place}/{name}",
                timeout=APPEARS,
                next_step=f'lab.kubectl("-n {place} get deployments")',
                show=lambda _: "there is none of this name",
            )
        kinds.until_rolled_out(self.api, deployments, place, timeout=bookinfo.TIMEOUT)
        dataplane.until_redirected(self.api, place)
        self.control.until_endpoints(endpoints.services_of(self.api, deployments, place), place)
        option = f" -n {place}" if namespace else ""
        command = f"kubectl rollout status deploy/{deployments[0]}{option}" if deployments else ""
        return results.Done(sentence=f"Ready: {', '.join(deployments)}.", command=command).shown()

    def logs(self, name: str, *, container: str = "", tail: int = 20) -> results.Printed:
        """The last lines of a Deployment's pod; ``container="istio-proxy"`` for those of its Envoy."""
        return self.kubectl(f"logs deploy/{name} --tail={tail}" + (f" -c {container}" if container else ""))

    def logged(self, name: str, text: str, *, container: str = "") -> int:
        """How many lines of a Deployment's log hold ``text``, once it is at rest: ``lab.logged("ratings-v1", "GET ")``.

        Lines arrive a moment after the request that they tell of.
        """
        return quiet.at_rest(lambda: sum(text in line for line in self.logs(name, container=container, tail=-1).lines))

    def proxy(self, name: str) -> proxies.Proxy:
        """The Envoy of a pod, by the beginning of the pod's name: ``lab.proxy("reviews-v1")``."""
        pods = [pod for pod in self.proxies() if pod.name.startswith(name)]
        if pods:
            pod = min(pods, key=lambda w: w.phase != "Running")  # not one that is on its way out
            return proxies.Proxy(f"{pod.name}.{pod.namespace}", lambda path: self.doors.envoy(pod, path))
        raise errors.SetupError(
            f"No pod with an Envoy has a name that begins with {name!r}.", next_step='lab.kubectl("get pods -A")'
        )

    def proxies(self) -> list[workloads.Workload]:
        spaces = (self.namespace, istio.NAMESPACE)
        pods = [workloads.workload(pod) for space in spaces for pod in self.api.visible(resources.PODS, space)]
        return sorted((w for w in pods if w.has_proxy and w.ip), key=lambda w: (spaces.index(w.namespace), w.name))

    def configurations(self) -> differences.Dumps:
        """What the Envoys have, as text: who asks for no difference waits for no parsing."""
        return self.doors.envoys(self.proxies(), "config_dump")
