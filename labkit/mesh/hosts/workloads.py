"""What stands behind hosts: pods and WorkloadEntries as endpoints."""

from collections.abc import Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names
from labkit.mesh.hosts.services import Endpoint

TLS_MODE = "security.istio.io/tlsMode"
REDIRECTION, ENABLED = "ambient.istio.io/redirection", "enabled"
"""The annotation that istio-cni sets on a pod once its connections go through ztunnel."""

TUNNEL, TUNNEL_HTTP = "networking.istio.io/tunnel", "http"
"""The label of a pod whose own proxy speaks HBONE."""


def labels_of(entry: Object) -> dict[str, str]:
    """A WorkloadEntry's labels: of its object and of its spec."""
    return {**resources.labels_of(entry), **(entry.get("spec", {}).get("labels") or {})}


def speaks_mtls(labels: Mapping[str, str], account: str = "") -> bool:
    """By label; a machine with a service account is taken for one with a sidecar."""
    return labels[TLS_MODE] == "istio" if TLS_MODE in labels else bool(account)


def speaks_hbone(annotations: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether istiod tells others to reach a workload by HBONE."""
    return annotations.get(REDIRECTION) == ENABLED or labels.get(TUNNEL) == TUNNEL_HTTP


def pod_endpoint(pod: Object, address: str, port: int) -> Endpoint:
    """A pod behind a port."""
    labels, namespace = resources.labels_of(pod), resources.namespace_of(pod)
    account = pod.get("spec", {}).get("serviceAccountName", "")
    return Endpoint(
        address=address,
        port=port,
        labels=labels,
        account=f"{namespace}/{account}" if account else "",
        speaks_mtls=speaks_mtls(labels),
        speaks_hbone=speaks_hbone(resources.annotations_of(pod), labels),
        workload=identity(pod),
    )


def name_of(pod: Object) -> str:
    """The workload of a pod: its Deployment, its other owner, or itself."""
    owner, labels = resources.owner_of(pod), resources.labels_of(pod)
    name = owner["name"] if owner else resources.name_of(pod)
    if owner and "pod-template-hash" in labels:
        name = name.removesuffix(f"-{labels['pod-template-hash']}")
    return name


def identity(pod: Object) -> str:
    """``reviews-v1;default;reviews;v1;Kubernetes``: workload, namespace, canonical service and revision, cluster."""
    name, labels, namespace = name_of(pod), resources.labels_of(pod), resources.namespace_of(pod)
    service, revision = names.canonical(labels, name), names.revision(labels)
    return f"{name};{namespace};{service};{revision};{names.CLUSTER}"


def metadata(pod: Object) -> str:
    """What proxies tell each other of a pod: its identity, and ``;app;version`` of its labels, empty where it has none.

    Kubernetes' own labels win over ``app`` and ``version`` (Envoy, ``convertStructToWorkloadMetadata``); since 1.30 a
    pod with neither is called as its canonical service.
    """
    labels = resources.labels_of(pod)
    app = labels.get("app.kubernetes.io/name") or labels.get("app") or names.canonical(labels, name_of(pod))
    version = labels.get("app.kubernetes.io/version") or labels.get("version") or ""
    return f"{identity(pod)};{app};{version}"


def endpoint_of(entry: Object, port_name: str, port: int) -> Endpoint:
    """A WorkloadEntry behind a port; its own ``ports`` win over the Service's."""
    return machine(entry["spec"], port_name, port, resources.namespace_of(entry), labels_of(entry))


def machine(spec: Mapping[str, Any], port_name: str, port: int, namespace: str, labels: Mapping[str, str]) -> Endpoint:
    """An address with its ports, weight and locality, as WorkloadEntries and ServiceEntries write them."""
    account = spec.get("serviceAccount") or ""
    return Endpoint(
        address=str(spec.get("address", "")),
        port=(spec.get("ports") or {}).get(port_name, port),
        labels=labels,
        account=f"{namespace}/{account}" if account else "",
        speaks_mtls=speaks_mtls(labels, account),
        weight=spec.get("weight") or 1,
        locality=tuple(part for part in (spec.get("locality") or "").split("/") if part),
    )
