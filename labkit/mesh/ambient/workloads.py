"""Pods and other addresses as istiod tells them to ztunnel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.ambient import authorizations, enrolment, services, strictness
from labkit.mesh.ambient.waypoints import Waypoints
from labkit.mesh.hosts import kubernetes
from labkit.mesh.hosts import workloads as owners

Workload = dict[str, Any]
"""``istio.workload.Workload`` in proto3 JSON."""

WorkloadTable = dict[str, Workload]
"""By ``uid``: ``Kubernetes//Pod/amb/curl``."""

SLICES, ENTRIES = "endpointslices.discovery.k8s.io", "workloadentries.networking.istio.io"
LOCALITY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


class Workloads:
    """The workloads of one snapshot."""

    def __init__(
        self, snapshot: model.Snapshot, waypoints: Waypoints, policies: Sequence[authorizations.Converted]
    ) -> None:
        self._snapshot, self._waypoints = snapshot, waypoints
        self._policies = [p for p in policies if p.authorization is not None and p.selector is not None]
        self._peers = snapshot.of(strictness.RESOURCE)
        self._domain = model.trust_domain(snapshot.mesh_config)
        self._targets = dict(self._targets_by_pod())
        self._network = services.network(snapshot)
        self._nodes = {resources.name_of(n): n for n in snapshot.of("nodes")}

    def table(self) -> WorkloadTable:
        """Every workload that has an address or a name."""
        every = [*self._pods(), *self._machines(), *self._of_entries(), *self._addresses_without_pods()]
        return {workload["uid"]: workload for workload in every}

    def _pods(self) -> Iterator[Workload]:
        for pod in self._snapshot.of("pods"):
            address = (pod.get("status") or {}).get("podIP")
            if address and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                yield self._pod(pod, address)

    def _pod(self, pod: Object, address: str) -> Workload:
        name, namespace = resources.name_of(pod), resources.namespace_of(pod)
        labels, spec = resources.labels_of(pod), pod.get("spec") or {}
        workload: Workload = {
            "uid": f"{names.CLUSTER}//Pod/{namespace}/{name}",
            "addresses": [address],
            "serviceAccount": spec.get("serviceAccountName") or "default",
            **self._named(name, namespace, labels, owners.name_of(pod)),
            **self._in_network(labels),
            **self._common(pod, namespace, labels, self._services_of(pod)),
        }
        if spec.get("nodeName"):
            workload["node"] = spec["nodeName"]
            if locality := _locality(self._nodes.get(spec["nodeName"]) or {}):
                workload["locality"] = locality
        if spec.get("hostNetwork"):
            workload["networkMode"] = "HOST_NETWORK"
        if enrolment.speaks_hbone(resources.annotations_of(pod), labels):
            workload["tunnelProtocol"] = "HBONE"
        if labels.get(enrolment.TUNNEL) == enrolment.TUNNEL_HTTP:
            workload["nativeTunnel"] = True
        if not _is_ready(pod):
            workload["status"] = "UNHEALTHY"
        return workload

    def _named(self, name: str, namespace: str, labels: Mapping[str, str], owner: str) -> Workload:
        domain = {} if self._domain == model.TRUST_DOMAIN else {"trustDomain": self._domain}
        return {
            "name": name,
            "namespace": namespace,
            "clusterId": names.CLUSTER,
            "workloadName": owner,
            "workloadType": "POD",
            "canonicalName": names.canonical(labels, owner),
            "canonicalRevision": names.revision(labels),
            **domain,
        }

    def _in_network(self, labels: Mapping[str, str], entry: Mapping[str, Any] | None = None) -> Workload:
        """Its own label or field says the network, else the label of istiod's namespace."""
        network = labels.get(services.NETWORK) or (entry or {}).get("network") or self._network
        return {"network": str(network)} if network else {}

    def _common(self, obj: Object, namespace: str, labels: Mapping[str, str], served: Workload) -> Workload:
        policies = self._policies_of(namespace, labels)
        return {
            **({"services": served} if served else {}),
            **({"authorizationPolicies": policies} if policies else {}),
            **services.waypoint(self._waypoints.of_workload(obj)),
        }

    def _policies_of(self, namespace: str, labels: Mapping[str, str]) -> list[str]:
        root = self._snapshot.root_namespace
        chosen = [
            f"{p.authorization['namespace']}/{p.authorization['name']}"
            for p in self._policies
            if p.authorization is not None
            and p.authorization["namespace"] in (root, namespace)
            and (p.selector or {}).items() <= labels.items()
        ]
        return sorted({*chosen, *strictness.names_for(self._peers, root=root, namespace=namespace, labels=labels)})

    # Services of pods

    def _targets_by_pod(self) -> Iterator[tuple[tuple[str, str], dict[str, dict[str, int]]]]:
        """Named target ports as EndpointSlices have resolved them: pod → Service → name of the port → its number."""
        by_pod: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        for piece in self._snapshot.of(SLICES):
            service = resources.labels_of(piece).get("kubernetes.io/service-name", "")
            ports = {port.get("name") or "": port["port"] for port in piece.get("ports") or [] if port.get("port")}
            for endpoint in piece.get("endpoints") or []:
                reference = endpoint.get("targetRef") or {}
                pod = reference.get("namespace", ""), reference.get("name", "")
                by_pod.setdefault(pod, {})[service] = ports
        yield from by_pod.items()

    def _services_of(self, pod: Object) -> Workload:
        namespace, labels = resources.namespace_of(pod), resources.labels_of(pod)
        served: Workload = {}
        for obj in self._snapshot.of("services"):
            selector = obj["spec"].get("selector")
            is_own = resources.namespace_of(obj) == namespace and selector and selector.items() <= labels.items()
            if is_own and not kubernetes.is_alias(obj):
                resolved = self._targets.get((namespace, resources.name_of(pod)), {}).get(resources.name_of(obj), {})
                ports = [p for port in obj["spec"].get("ports") or [] if (p := _served_port(port, resolved, pod))]
                host = kubernetes.host_of(resources.name_of(obj), namespace)
                served[f"{namespace}/{host}"] = {"ports": ports}
        return {**served, **self._entries_of(namespace, labels)}

    def _entries_of(self, namespace: str, labels: Mapping[str, str]) -> Workload:
        served: Workload = {}
        for obj in self._snapshot.of(services.ENTRIES):
            chosen = (obj["spec"].get("workloadSelector") or {}).get("labels")
            if chosen and resources.namespace_of(obj) == namespace and chosen.items() <= labels.items():
                served |= _entry_services(obj)
        return served

    # Others

    def _machines(self) -> Iterator[Workload]:
        """WorkloadEntries."""
        for entry in self._snapshot.of(ENTRIES):
            name, namespace, labels = resources.name_of(entry), resources.namespace_of(entry), owners.labels_of(entry)
            spec = entry["spec"]
            served = self._entries_of(namespace, labels)
            for obj in self._snapshot.of("services"):
                selector = obj["spec"].get("selector")
                is_own = resources.namespace_of(obj) == namespace and selector and selector.items() <= labels.items()
                if is_own and not kubernetes.is_alias(obj):
                    ports = [_machine_port(port, spec) for port in obj["spec"].get("ports") or []]
                    served[f"{namespace}/{kubernetes.host_of(resources.name_of(obj), namespace)}"] = {"ports": ports}
            workload: Workload = {
                "uid": f"{names.CLUSTER}/networking.istio.io/WorkloadEntry/{namespace}/{name}",
                **_place(str(spec.get("address") or "")),
                "serviceAccount": spec.get("serviceAccount") or "default",
                **self._named(name, namespace, labels, name),
                **self._in_network(labels, spec),
                **self._common(entry, namespace, labels, served),
            }
            if enrolment.speaks_hbone(resources.annotations_of(entry), labels):
                workload["tunnelProtocol"] = "HBONE"
            yield workload

    def _of_entries(self) -> Iterator[Workload]:
        """The endpoints that ServiceEntries write themselves; of a name that is looked up, the name."""
        for obj in self._snapshot.of(services.ENTRIES):
            name, namespace, spec = resources.name_of(obj), resources.namespace_of(obj), obj["spec"]
            endpoints = spec.get("endpoints") or []
            if not endpoints and not spec.get("workloadSelector") and str(spec.get("resolution", "")) == "DNS":
                endpoints = [{"address": host} for host in spec.get("hosts") or []]
            for endpoint in endpoints:
                labels = endpoint.get("labels") or {}
                address = str(endpoint.get("address") or "")
                workload: Workload = {
                    "uid": f"{names.CLUSTER}/networking.istio.io/ServiceEntry/{namespace}/{name}/{address}",
                    **_place(address),
                    **self._named(name, namespace, labels, name),
                    **self._in_network(labels, endpoint),
                    **self._common(obj, namespace, labels, _entry_services(obj, endpoint)),
                }
                workload.pop("waypoint", None)
                if endpoint.get("serviceAccount"):
                    workload["serviceAccount"] = endpoint["serviceAccount"]
                yield workload

    def _addresses_without_pods(self) -> Iterator[Workload]:
        """Addresses in EndpointSlices that belong to no pod, as those of the API server."""
        for piece in self._snapshot.of(SLICES):
            namespace = resources.namespace_of(piece)
            service = resources.labels_of(piece).get("kubernetes.io/service-name", "")
            obj = self._service(namespace, service)
            for endpoint in piece.get("endpoints") or [] if obj is not None else []:
                if (endpoint.get("targetRef") or {}).get("kind") == "Pod":
                    continue
                for address in endpoint.get("addresses") or []:
                    yield self._bare(piece, address, obj or {})

    def _service(self, namespace: str, name: str) -> Object | None:
        every = self._snapshot.of("services")
        return next((s for s in every if (resources.namespace_of(s), resources.name_of(s)) == (namespace, name)), None)

    def _bare(self, piece: Object, address: str, service: Object) -> Workload:
        namespace, name = resources.namespace_of(piece), resources.name_of(piece)
        numbers = {p.get("name") or "": p["port"] for p in piece.get("ports") or [] if p.get("port")}
        ports = [
            {"servicePort": port["port"], "targetPort": numbers[port.get("name") or ""]}
            for port in service["spec"].get("ports") or []
            if (port.get("name") or "") in numbers
        ]
        host = kubernetes.host_of(resources.name_of(service), namespace)
        return {
            "uid": f"{names.CLUSTER}/discovery.k8s.io/EndpointSlice/{namespace}/{name}/{address}",
            "name": name,
            "namespace": namespace,
            "clusterId": names.CLUSTER,
            "addresses": [address],
            "networkMode": "HOST_NETWORK",
            "services": {f"{namespace}/{host}": {"ports": ports}},
        }


def _place(address: str) -> Workload:
    if names.is_address(address) or not names.is_host(address):
        return {"addresses": [address]} if address else {}
    return {"hostname": address}


def _served_port(port: Object, resolved: Mapping[str, int], pod: Object) -> Workload | None:
    if port.get("protocol", "TCP") != "TCP":
        return None
    target = port.get("targetPort", port["port"])
    number = target if isinstance(target, int) else resolved.get(port.get("name") or "") or _container_port(pod, target)
    return {"servicePort": port["port"], "targetPort": number} if number else None


def _container_port(pod: Object, name: Any) -> int:
    every = (p for c in (pod.get("spec") or {}).get("containers") or [] for p in c.get("ports") or [])
    return next((int(p["containerPort"]) for p in every if p.get("name") == name), 0)


def _machine_port(port: Object, spec: Mapping[str, Any]) -> Workload:
    target = port.get("targetPort", port["port"])
    own = spec.get("ports") or {}
    number = own.get(port.get("name") or "") or (own.get(target) if isinstance(target, str) else target)
    return {"servicePort": port["port"], "targetPort": int(number or port["port"])}


def _entry_services(obj: Object, endpoint: Mapping[str, Any] | None = None) -> Workload:
    spec, own = obj["spec"], (endpoint or {}).get("ports") or {}
    ports = [
        {
            "servicePort": port["number"],
            "targetPort": own.get(port.get("name") or "") or port.get("targetPort") or port["number"],
        }
        for port in spec.get("ports") or []
    ]
    return {f"{resources.namespace_of(obj)}/{host}": {"ports": ports} for host in spec.get("hosts") or []}


def _is_ready(pod: Object) -> bool:
    """Whether Services lead to it; a pod that is being deleted may well be ready still."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions: Iterable[Object] = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _locality(node: Object) -> dict[str, str]:
    labels = resources.labels_of(node)
    return {
        word: labels[label]
        for word, label in zip(("region", "zone", "subzone"), LOCALITY, strict=True)
        if labels.get(label)
    }
