"""Targets as Kubernetes' objects name them: labels ``__meta_kubernetes_…`` of each, before relabeling. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.kube import resources

Object = Mapping[str, Any]
Labels = dict[str, str]

META = "__meta_kubernetes"
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What a cluster has of the kinds that are looked at."""

    pods: Iterable[Object] = ()
    services: Iterable[Object] = ()
    endpoints: Iterable[Object] = ()
    nodes: Iterable[Object] = field(default=())


def targets(role: str, objects: Objects) -> Iterator[Labels]:
    """The targets of one role."""
    match role:
        case "pod":
            for pod in objects.pods:
                yield from _pod_targets(pod)
        case "service":
            for service in objects.services:
                yield from _service_targets(service)
        case "node":
            for node in objects.nodes:
                yield from _node_targets(node)
        case "endpoints":
            pods = {_key(pod): pod for pod in objects.pods}
            services = {_key(service): service for service in objects.services}
            for endpoints in objects.endpoints:
                yield from _endpoint_targets(endpoints, services.get(_key(endpoints)), pods)


def _key(obj: Object) -> tuple[str, str]:
    return resources.namespace_of(obj), resources.name_of(obj)


def _meta(kind: str, obj: Object) -> Labels:
    """``…_pod_label_app`` and ``…_pod_labelpresent_app``, and the same of annotations."""
    result = {}
    for word, pairs in (("label", resources.labels_of(obj)), ("annotation", resources.annotations_of(obj))):
        for name, value in pairs.items():
            safe = _NOT_IN_A_NAME.sub("_", name)
            result[f"{META}_{kind}_{word}_{safe}"] = str(value)
            result[f"{META}_{kind}_{word}present_{safe}"] = "true"
    return result


def _of_pod(pod: Object) -> Labels:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    conditions = {c["type"]: str(c["status"]).lower() for c in status.get("conditions") or []}
    labels = {
        f"{META}_namespace": resources.namespace_of(pod),
        f"{META}_pod_name": resources.name_of(pod),
        f"{META}_pod_ip": status.get("podIP", ""),
        f"{META}_pod_ready": conditions.get("Ready", "unknown"),
        f"{META}_pod_phase": status.get("phase", ""),
        f"{META}_pod_node_name": spec.get("nodeName", ""),
        f"{META}_pod_host_ip": status.get("hostIP", ""),
        f"{META}_pod_uid": resources.uid_of(pod),
        **_meta("pod", pod),
    }
    if owner := resources.owner_of(pod):
        labels |= {f"{META}_pod_controller_kind": owner["kind"], f"{META}_pod_controller_name": owner["name"]}
    return labels


def _containers(pod: Object) -> Iterator[tuple[Object, bool]]:
    """A pod's containers, and whether each is an init container."""
    spec = pod.get("spec") or {}
    yield from ((container, False) for container in spec.get("containers") or [])
    yield from ((container, True) for container in spec.get("initContainers") or [])


def _of_container(container: Object, *, is_init: bool, port: Object | None) -> Labels:
    labels = {
        f"{META}_pod_container_name": container["name"],
        f"{META}_pod_container_image": container.get("image", ""),
        f"{META}_pod_container_init": str(is_init).lower(),
    }
    if port is not None:
        labels |= {
            f"{META}_pod_container_port_name": port.get("name", ""),
            f"{META}_pod_container_port_number": str(port["containerPort"]),
            f"{META}_pod_container_port_protocol": port.get("protocol", "TCP"),
        }
    return labels


def _pod_targets(pod: Object) -> Iterator[Labels]:
    """One for each declared port of each container; a container without any is one without a port."""
    ip = (pod.get("status") or {}).get("podIP")
    if not ip:
        return
    shared = _of_pod(pod)
    for container, is_init in _containers(pod):
        ports: list[Object | None] = list(container.get("ports") or []) or [None]
        for port in ports:
            address = ip if port is None else f"{ip}:{port['containerPort']}"
            own = _of_container(container, is_init=is_init, port=port)
            yield {**shared, **own, "__address__": address}


def _of_service(service: Object) -> Labels:
    return {f"{META}_service_name": resources.name_of(service), **_meta("service", service)}


def _service_targets(service: Object) -> Iterator[Labels]:
    spec, (namespace, name) = service.get("spec") or {}, _key(service)
    for port in spec.get("ports") or []:
        labels = {
            "__address__": f"{name}.{namespace}.svc:{port['port']}",
            f"{META}_namespace": namespace,
            f"{META}_service_port_name": port.get("name", ""),
            f"{META}_service_port_number": str(port["port"]),
            f"{META}_service_port_protocol": port.get("protocol", "TCP"),
            f"{META}_service_type": spec.get("type", "ClusterIP"),
            **_of_service(service),
        }
        if spec.get("type") != "ExternalName":
            labels[f"{META}_service_cluster_ip"] = spec.get("clusterIP", "")
        yield labels


def _node_targets(node: Object) -> Iterator[Labels]:
    status, name = node.get("status") or {}, resources.name_of(node)
    addresses = {a["type"]: a["address"] for a in status.get("addresses") or []}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", 10250)
    address = addresses.get("InternalIP") or addresses.get("Hostname") or name
    yield {
        "__address__": f"{address}:{port}",
        "instance": name,
        f"{META}_node_name": name,
        **{f"{META}_node_address_{kind}": value for kind, value in addresses.items()},
        **_meta("node", node),
    }


def _endpoint_targets(
    endpoints: Object, service: Object | None, pods: Mapping[tuple[str, str], Object]
) -> Iterator[Labels]:
    namespace, name = _key(endpoints)
    shared = {f"{META}_namespace": namespace, f"{META}_endpoints_name": name, **_meta("endpoints", endpoints)}
    if service is not None:
        shared |= _of_service(service)
    for subset in endpoints.get("subsets") or []:
        for port in subset.get("ports") or []:
            for is_ready, addresses in ((True, "addresses"), (False, "notReadyAddresses")):
                for address in subset.get(addresses) or []:
                    yield {**shared, **_of_endpoint(address, port, is_ready, namespace, pods)}


def _of_endpoint(
    address: Object, port: Object, is_ready: bool, namespace: str, pods: Mapping[tuple[str, str], Object]
) -> Labels:
    labels = {
        "__address__": f"{address['ip']}:{port['port']}",
        f"{META}_endpoint_port_name": port.get("name", ""),
        f"{META}_endpoint_port_protocol": port.get("protocol", "TCP"),
        f"{META}_endpoint_ready": str(is_ready).lower(),
    }
    of = address.get("targetRef") or {}
    if of.get("kind"):
        labels[f"{META}_endpoint_address_target_kind"] = of["kind"]
        labels[f"{META}_endpoint_address_target_name"] = of.get("name", "")
    pod = pods.get((of.get("namespace", namespace), of.get("name", ""))) if of.get("kind") == "Pod" else None
    if pod is None:
        return labels
    labels |= _of_pod(pod)
    for container, is_init in _containers(pod):
        for declared in container.get("ports") or []:
            if declared["containerPort"] == port["port"]:
                labels |= _of_container(container, is_init=is_init, port=declared)
    return labels
