"""The recorded scene on a running cluster: cases are applied, and every Envoy is asked what it has."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures

import yaml

from labkit.base import waiting
from labkit.clusters.cluster import Cluster
from labkit.conformance import ambient, dumps, envoy, scene
from labkit.install import ambient as profile
from labkit.install import bookinfo, kinds
from labkit.kube import resources, status
from labkit.kube.resources import Object
from labkit.lab.control import ControlPlane
from labkit.lab.doors import Doors
from labkit.lab.kubectl import Kubectl
from labkit.mesh.ambient import waypoints
from labkit.telemetry import liveness, workloads

TOGETHER = 8
"""Envoys asked at the same time."""

ROLLOUT = 120.0
"""Seconds; a sandbox takes two."""

MESH, ROOT = "istio", "istio-system"
"""The ConfigMap with the mesh's configuration, and its namespace."""

MANAGED = "gateway.networking.k8s.io/gateway-name"
"""The label of what istiod deploys for a Gateway of the Gateway API."""


class Deployed:
    """One cluster with Istio that is the recordings' base scene until the end."""

    def __init__(self, cluster: Cluster, extra: Sequence[Object], *, is_ambient: bool = False) -> None:
        self._is_ambient = is_ambient
        self._api = cluster.client()
        self._doors = Doors(self._api, cluster, Kubectl(cluster, namespace="default"))
        self._control = ControlPlane(self._api, self._doors)
        bookinfo.deploy(self._api, "default")
        beside = [*scene.sample_gateway(), *scene.beside(served=False), *extra]
        if is_ambient:
            profile.install(self._api)
            beside += ambient.own()
        kinds.apply_all(self._api, beside, namespace="default")
        for namespace, name in _deployments(beside):
            kinds.until_rolled_out(self._api, [name], namespace, timeout=ROLLOUT)
        self._settle([])

    def dumps(self, applied: list[Object]) -> dict[str, envoy.Resources]:
        """What every proxy has with a case on top of the scene, which is there again afterwards."""
        with self._applied(applied):
            return self._read()

    def _read(self) -> dict[str, envoy.Resources]:
        pods = [pod for pod in self._api.list(resources.PODS) if workloads.workload(pod).has_proxy]
        if self._is_ambient:
            # The recordings have no other Envoy of this scene.
            pods = [pod for pod in pods if _is_waypoint(pod)]
        names = self._names()
        with futures.ThreadPoolExecutor(TOGETHER) as pool:
            texts = pool.map(lambda pod: self._doors.envoy(workloads.workload(pod), "config_dump?include_eds"), pods)
            return {_title(p): dumps.resources(text, names) for p, text in zip(pods, texts, strict=True)}

    def _names(self) -> Mapping[str, str]:
        """Address → what the recordings call it; the port of the API server as well."""
        pods = {str((p.get("status") or {}).get("podIP")): p for p in self._api.list(resources.PODS)}
        services = {s["spec"].get("clusterIP"): s for s in self._api.list(resources.SERVICES)}
        block = next((ip.split(".")[1] for ip in pods if ip.startswith("127.")), "")
        names = {ip: scene.address_of(resources.namespace_of(p), _short(p)) for ip, p in pods.items()}
        for piece in self._api.list(
            resources.ENDPOINT_SLICES, "default", labels="kubernetes.io/service-name=kubernetes"
        ):
            names |= {address: "NODE(node-1)" for e in piece["endpoints"] for address in e["addresses"]}
            names |= {str(port["port"]): scene.API_PORT for port in piece["ports"]}
        for address, service in services.items():
            if not address or address == "None":
                continue
            name = scene.service_address(service)
            # A sandbox serves a ClusterIP at an address of this machine.
            twin = ".".join(["127", str(int(block) + 2), *address.split(".")[2:]]) if block else address
            names |= {address: name, twin: name}
        return names

    @contextlib.contextmanager
    def _applied(self, objects: Sequence[Object]) -> Iterator[None]:
        mesh = self._api.get(resources.CONFIG_MAPS, MESH, ROOT)["data"]["mesh"]
        stored: list[Object] = []
        try:
            for obj in objects:
                stored += self._apply(obj, mesh)
            self._settle(stored)
            yield
        finally:
            for obj in reversed(stored):
                self._api.delete(
                    kinds.resource_of(self._api, obj), resources.name_of(obj), resources.namespace_of(obj) or None
                )
            self._mesh(mesh)
            self._control.until_gone(self._control.versions_of(stored))
            self._settle([])

    def _apply(self, obj: Object, mesh: str) -> list[Object]:
        """Store an object; one that is refused is absent from the scene, as in the recordings."""
        if obj["kind"] == "MeshConfig":
            self._mesh(yaml.safe_dump(scene.merged(yaml.safe_load(mesh) or {}, obj["mesh"])))
            return []
        if obj["kind"] == "LoadBalancerAddress":
            return []  # Only statuses speak of it.
        resource = kinds.resource_of(self._api, obj)
        if resource.namespaced and not resources.namespace_of(obj):
            obj = {**obj, "metadata": {**obj["metadata"], "namespace": "default"}}
        try:
            return [self._api.apply(resource, obj)]
        except status.StatusError:
            return []

    def _mesh(self, text: str) -> None:
        if self._api.get(resources.CONFIG_MAPS, MESH, ROOT)["data"]["mesh"] != text:
            self._api.patch(resources.CONFIG_MAPS, MESH, ROOT, {"data": {"mesh": text}})

    def _settle(self, stored: Sequence[Object]) -> None:
        """Wait until istiod has deployed what Gateways ask for, and every proxy has taken all that it was sent."""
        needs_proxy = any(map(_gets_proxy, stored))

        def is_deployed() -> bool:
            ready = self._managed(ready=True)
            return ready == self._managed(ready=False) and bool(ready or not needs_proxy)

        waiting.until(
            is_deployed,
            what="the proxies of Gateways",
            timeout=ROLLOUT,
            next_step="kubectl get gateways.gateway.networking.k8s.io -A",
        )
        self._control.until_live(self._control.versions_of(stored))
        self._control.until_endpoints(stored, "default")
        liveness.of_istiod(self._doors.istiod)

    def _managed(self, *, ready: bool) -> set[str]:
        pods = [workloads.workload(pod) for pod in self._api.list(resources.PODS, labels=MANAGED)]
        return {pod.name for pod in pods if pod.is_ready or not ready}


def _gets_proxy(obj: Object) -> bool:
    """Whether istiod deploys a proxy for an object: a Gateway of its class that names no other address."""
    is_gateway = scene.plural_of(obj) == "gateways.gateway.networking.k8s.io"
    return (
        is_gateway
        and obj["spec"].get("gatewayClassName") in ("istio", waypoints.CLASS)
        and not obj["spec"].get("addresses")
    )


def _deployments(objects: Sequence[Object]) -> Iterator[tuple[str, str]]:
    for obj in objects:
        if obj["kind"] == "Deployment":
            yield resources.namespace_of(obj) or "default", resources.name_of(obj)


def _short(pod: Object) -> str:
    """What the recordings call a pod: its Deployment, or its own name."""
    owner = resources.owner_of(pod)
    deployment = str(owner["name"]).rpartition("-")[0] if owner else resources.name_of(pod)
    return scene.POD_NAMES.get(deployment, deployment)


def _is_waypoint(pod: Object) -> bool:
    return resources.labels_of(pod).get(waypoints.MANAGED) == waypoints.MANAGED_BY_MESH


def _title(pod: Object) -> str:
    namespace, short = resources.namespace_of(pod), _short(pod)
    if _is_waypoint(pod):
        return f"{namespace}/{short}"
    is_gateway = MANAGED in resources.labels_of(pod) or short == "ingressgateway"
    return short if namespace == "default" or is_gateway else f"{namespace}/{short}"
