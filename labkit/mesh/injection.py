"""Sidecar injection: whether a pod gets a proxy, and the pod with it. Follows Istio 1.31's default profile."""

import json
from collections.abc import Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object

IMAGE = "docker.io/istio/proxyv2:1.31.1"
PROXY, INIT = "istio-proxy", "istio-init"
NEVER = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces whose pods are never injected."""

MOUNTS = {
    "/var/run/secrets/workload-spiffe-uds": "workload-socket",
    "/var/run/secrets/credential-uds": "credential-socket",
    "/var/run/secrets/workload-spiffe-credentials": "workload-certs",
    "/var/run/secrets/istio": "istiod-ca-cert",
    "/var/run/secrets/istio/crl": "istio-ca-crl",
    "/var/lib/istio/data": "istio-data",
    "/etc/istio/proxy": "istio-envoy",
    "/var/run/secrets/tokens": "istio-token",
    "/etc/istio/pod": "istio-podinfo",
}


def is_wanted(pod: Object, namespace: Object) -> bool:
    """Whether the pod gets a sidecar, by its labels and those of its namespace."""
    space, own = resources.labels_of(namespace), resources.labels_of(pod)
    if resources.name_of(namespace) in NEVER or pod.get("spec", {}).get("hostNetwork"):
        return False
    switch = space.get("istio-injection")
    if switch == "disabled":
        return False
    said = own.get("sidecar.istio.io/inject")
    if said is None and resources.annotations_of(pod).get("sidecar.istio.io/inject") == "false":
        return False
    if said is not None:
        return said.lower() in ("true", "yes", "y", "on", "1")
    revisions = ("default",)
    if switch == "enabled":
        return True
    if switch is None and "istio.io/rev" in space:
        return space["istio.io/rev"] in revisions
    return switch is None and own.get("istio.io/rev") in revisions


def inject(pod: Object, *, namespace: Object) -> Object | None:
    """The pod with its proxy as a native sidecar; None when it gets none."""
    if not is_wanted(pod, namespace) or any(c["name"] == PROXY for c in pod["spec"].get("initContainers") or []):
        return None
    place = resources.name_of(namespace)
    spec = dict(pod["spec"])
    own = list(spec.get("initContainers") or [])
    spec["initContainers"] = [_init(), _proxy(pod, place), *own]
    spec["volumes"] = [*_volumes(), *(spec.get("volumes") or [])]
    metadata = dict(pod["metadata"])
    metadata["labels"] = {**_labels(pod), **resources.labels_of(pod), "security.istio.io/tlsMode": "istio"}
    metadata["annotations"] = {**resources.annotations_of(pod), **_annotations(pod)}
    return {**pod, "metadata": metadata, "spec": spec}


def _labels(pod: Object) -> dict[str, str]:
    labels = resources.labels_of(pod)
    name = labels.get("app.kubernetes.io/name") or labels.get("app") or _workload(pod)
    revision = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    return {"service.istio.io/canonical-name": name, "service.istio.io/canonical-revision": revision}


def _annotations(pod: Object) -> dict[str, str]:
    first = pod["spec"]["containers"][0]["name"]
    status = {
        "initContainers": [INIT, PROXY],
        "containers": None,
        "volumes": [v["name"] for v in _volumes()],
        "imagePullSecrets": None,
        "revision": "default",
    }
    return {
        "istio.io/rev": "default",
        "kubectl.kubernetes.io/default-container": first,
        "kubectl.kubernetes.io/default-logs-container": first,
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
        "sidecar.istio.io/status": json.dumps(status, separators=(",", ":")),
    }


def _workload(pod: Object) -> str:
    """The Deployment behind a pod: its ReplicaSet's name without the hash."""
    owner = resources.owner_of(pod)
    if owner is None:
        return resources.name_of(pod) or pod["metadata"].get("generateName", "").rstrip("-")
    name = str(owner["name"])
    return name.rpartition("-")[0] if owner["kind"] == "ReplicaSet" else name


def _owner(pod: Object, namespace: str) -> str:
    owner = resources.owner_of(pod)
    if owner is None:
        return f"kubernetes://apis/v1/namespaces/{namespace}/pods/{_workload(pod)}"
    kind = "deployments" if owner["kind"] == "ReplicaSet" else f"{owner['kind'].lower()}s"
    return f"kubernetes://apis/{owner['apiVersion']}/namespaces/{namespace}/{kind}/{_workload(pod)}"


def proxy_resources(pod: Object) -> Object:
    """Requests and limits: the default ones, or those of the pod's annotations and nothing else."""
    said = resources.annotations_of(pod)
    words = {
        ("requests", "cpu"): "sidecar.istio.io/proxyCPU",
        ("requests", "memory"): "sidecar.istio.io/proxyMemory",
        ("limits", "cpu"): "sidecar.istio.io/proxyCPULimit",
        ("limits", "memory"): "sidecar.istio.io/proxyMemoryLimit",
    }
    found: dict[str, dict[str, str]] = {}
    for (kind, name), word in words.items():
        if word in said:
            found.setdefault(kind, {})[name] = said[word]
    return found or {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}


def _init() -> Object:
    return {
        "name": INIT,
        "image": IMAGE,
        "args": [
            "istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "",
            "-b", "*", "-d", "15090,15021,15020", "--log_output_level=default:info",
        ],
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": False,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
        },
    }  # fmt: skip


def _proxy(pod: Object, namespace: str) -> Object:
    levels = resources.annotations_of(pod)
    return {
        "name": PROXY,
        "image": levels.get("sidecar.istio.io/proxyImage", IMAGE),
        "args": [
            "proxy",
            "sidecar",
            "--domain",
            "$(POD_NAMESPACE).svc.cluster.local",
            f"--proxyLogLevel={levels.get('sidecar.istio.io/logLevel', 'warning')}",
            f"--proxyComponentLogLevel={levels.get('sidecar.istio.io/componentLogLevel', 'misc:error')}",
            f"--log_output_level={levels.get('sidecar.istio.io/agentLogLevel', 'default:info')}",
        ],
        "restartPolicy": "Always",
        "env": _env(pod, namespace),
        "lifecycle": {
            "preStop": {"exec": {"command": ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]}}
        },
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": _probe(period=15, failures=4),
        "startupProbe": _probe(period=1, failures=600),
        "resources": proxy_resources(pod),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 1337,
            "runAsNonRoot": True,
            "runAsUser": 1337,
        },
        "volumeMounts": [{"mountPath": path, "name": name} for path, name in MOUNTS.items()],
    }


def _probe(*, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": "/healthz/ready", "port": 15021},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 3,
    }


def _env(pod: Object, namespace: str) -> list[Object]:
    def value(name: str, text: str) -> Object:
        return {"name": name, "value": text}

    def field(name: str, path: str) -> Object:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    def limit(name: str, resource: str) -> Object:
        return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": f"limits.{resource}"}}}

    containers = pod["spec"]["containers"]
    return [
        value("PILOT_CERT_PROVIDER", "istiod"),
        value("CA_ADDR", "istiod.istio-system.svc:15012"),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        limit("ISTIO_CPU_LIMIT", "cpu"),
        value("PROXY_CONFIG", "{}\n"),
        value("ISTIO_META_POD_PORTS", _ports(containers)),
        value("ISTIO_META_APP_CONTAINERS", ",".join(c["name"] for c in containers)),
        limit("GOMEMLIMIT", "memory"),
        limit("GOMAXPROCS", "cpu"),
        value("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        value("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        value("ISTIO_META_WORKLOAD_NAME", _workload(pod)),
        value("ISTIO_META_OWNER", _owner(pod, namespace)),
        value("ISTIO_META_MESH_ID", "cluster.local"),
        value("TRUST_DOMAIN", "cluster.local"),
    ]


def _ports(containers: list[Object]) -> str:
    found = [
        {k: p[k] for k in ("name", "containerPort", "protocol") if k in p}
        for c in containers
        for p in c.get("ports") or []
    ]
    if not found:
        return "[\n]"
    return "[\n" + "\n".join(f"    {json.dumps(p, separators=(',', ':'))}" for p in found) + "\n]"


def _volumes() -> list[Mapping[str, Any]]:
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    annotations = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    token = {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}
    return [
        {"name": "workload-socket", "emptyDir": {}},
        {"name": "credential-socket", "emptyDir": {}},
        {"name": "workload-certs", "emptyDir": {}},
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        {"name": "istio-podinfo", "downwardAPI": {"items": [labels, annotations]}},
        {"name": "istio-token", "projected": {"sources": [token]}},
        {"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}},
        {"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": True}},
    ]
