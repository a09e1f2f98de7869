"""The containers and volumes that injection adds."""

import json
from collections.abc import Mapping
from typing import Any

from labkit.base import versions
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.injection import probes, scraping
from labkit.mesh.injection.settings import Settings

IMAGE = versions.image("proxyv2")
PROXY, INIT = "istio-proxy", "istio-init"
BOOTSTRAP = "custom-bootstrap-volume"
OVERRIDE_FILE = "/etc/istio/custom-bootstrap/custom_bootstrap.json"
HEALTH: Object = {"httpGet": {"path": "/healthz/ready", "port": 15021}, "timeoutSeconds": 3}
"""Where a proxy says whether it is ready."""

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


def workload_of(pod: Object) -> str:
    """The Deployment behind a pod: its ReplicaSet's name without the hash."""
    owner = resources.owner_of(pod)
    if owner is None:
        return resources.name_of(pod) or str(pod["metadata"].get("generateName", "")).rstrip("-")
    name = str(owner["name"])
    return name.rpartition("-")[0] if owner["kind"] == "ReplicaSet" else name


def _owner(pod: Object, namespace: str) -> str:
    owner = resources.owner_of(pod)
    if owner is None:
        return f"kubernetes://apis/v1/namespaces/{namespace}/pods/{workload_of(pod)}"
    kind = "deployments" if owner["kind"] == "ReplicaSet" else f"{owner['kind'].lower()}s"
    return f"kubernetes://apis/{owner['apiVersion']}/namespaces/{namespace}/{kind}/{workload_of(pod)}"


def init(settings: Settings) -> Object | None:
    """``istio-init``, which tells the kernel what to capture; None where nothing is to be captured."""
    if settings.mode == "NONE":
        return None
    level = settings.level("agentLogLevel", "default:info")
    return {
        "name": INIT,
        "image": settings.image(IMAGE),
        "args": [
            "istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", settings.mode,
            *settings.capture(), f"--log_output_level={level}",
        ],
        **({"env": _metadata(settings)} if settings.metadata else {}),
        "resources": settings.resources(),
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


def proxy(pod: Object, apps: list[Object], namespace: str, settings: Settings) -> Object:
    """``istio-proxy``."""
    container: Object = {
        "name": PROXY,
        "image": settings.image(IMAGE),
        "args": [
            "proxy",
            "sidecar",
            "--domain",
            "$(POD_NAMESPACE).svc.cluster.local",
            f"--proxyLogLevel={settings.level('logLevel', 'warning')}",
            f"--proxyComponentLogLevel={settings.level('componentLogLevel', 'misc:error')}",
            f"--log_output_level={settings.level('agentLogLevel', 'default:info')}",
        ],
        "env": _env(pod, apps, namespace, settings),
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": settings.resources(),
        "securityContext": _security(settings),
        "volumeMounts": [
            *({"mountPath": path, "name": name} for path, name in MOUNTS.items()),
            *([{"mountPath": "/etc/istio/custom-bootstrap", "name": BOOTSTRAP}] if settings.bootstrap_override else []),
            *settings.mounts,
        ],
    }
    readiness = settings.readiness()
    if readiness is not None:
        startup = {"periodSeconds": 1, "failureThreshold": 600}
        container |= {"readinessProbe": {**HEALTH, **readiness}, "startupProbe": {**HEALTH, **startup}}
    if settings.is_native:
        drain = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]
        container |= {"restartPolicy": "Always", "lifecycle": {"preStop": {"exec": {"command": drain}}}}
    elif settings.holds_application:
        container["lifecycle"] = {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}
    return container


def _security(settings: Settings) -> Object:
    """The proxy runs as user 1337, whom nothing captures; to see clients' addresses or low ports it must be root."""
    needed = (("NET_ADMIN", settings.mode == "TPROXY"), ("NET_BIND_SERVICE", settings.binds_low_ports))
    added = [name for name, is_needed in needed if is_needed]
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {**({"add": added} if added else {}), "drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1337,
        "runAsNonRoot": not added,
        "runAsUser": 0 if added else 1337,
    }


def _metadata(settings: Settings) -> list[Object]:
    return [{"name": name, "value": value or ""} for name, value in sorted(settings.metadata.items())]


def _env(pod: Object, apps: list[Object], namespace: str, settings: Settings) -> list[Object]:
    def value(name: str, text: str) -> Object:
        return {"name": name, "value": text}

    def field(name: str, path: str) -> Object:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    def limit(name: str, resource: str) -> Object:
        return {"name": name, "valueFrom": {"resourceFieldRef": {"divisor": "1", "resource": f"limits.{resource}"}}}

    asked = probes.probers(apps) if settings.rewrites_probes else ""
    scraped = scraping.app(settings)
    return [
        value("PILOT_CERT_PROVIDER", "istiod"),
        value("CA_ADDR", settings.revision.address),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        limit("ISTIO_CPU_LIMIT", "cpu"),
        value("PROXY_CONFIG", json.dumps(settings.proxy_config, separators=(",", ":")) + "\n"),
        value("ISTIO_META_POD_PORTS", _ports(apps)),
        value("ISTIO_META_APP_CONTAINERS", ",".join(c["name"] for c in apps)),
        limit("GOMEMLIMIT", "memory"),
        limit("GOMAXPROCS", "cpu"),
        value("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        value("ISTIO_META_INTERCEPTION_MODE", settings.mode),
        value("ISTIO_META_WORKLOAD_NAME", workload_of(pod)),
        value("ISTIO_META_OWNER", _owner(pod, namespace)),
        value("ISTIO_META_MESH_ID", "cluster.local"),
        value("TRUST_DOMAIN", settings.trust_domain),
        *([value("ISTIO_BOOTSTRAP_OVERRIDE", OVERRIDE_FILE)] if settings.bootstrap_override else []),
        *_metadata(settings),
        *([value("ISTIO_KUBE_APP_PROBERS", asked)] if asked else []),
        *([value("ISTIO_PROMETHEUS_ANNOTATIONS", scraped)] if scraped else []),
    ]


def _ports(containers: list[Object]) -> str:
    ports = [
        {k: p[k] for k in ("name", "containerPort", "protocol") if k in p}
        for c in containers
        for p in c.get("ports") or []
    ]
    if not ports:
        return "[\n]"
    return "[\n    " + "\n    ,".join(json.dumps(p, separators=(",", ":")) for p in ports) + "\n]"


def volumes(settings: Settings) -> list[Mapping[str, Any]]:
    """Where the proxy's certificates, its token and its files are."""
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
        *([{"name": BOOTSTRAP, "configMap": {"name": override}}] if (override := settings.bootstrap_override) else []),
        *settings.volumes,
    ]
