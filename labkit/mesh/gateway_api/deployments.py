"""What istiod makes for a Gateway that names no Service of its own: ServiceAccount, Deployment, Service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import injection
from labkit.mesh.ambient import waypoints
from labkit.mesh.gateway_api.addresses import service_name
from labkit.mesh.gateway_api.scene import Scene

STATUS_PORT = 15021
LABEL = "gateway.networking.k8s.io/gateway-name"
_DROPPED = ("kubectl.kubernetes.io/last-applied-configuration", "gateway.istio.io/controller-version")
SERVICE_TYPE = "networking.istio.io/service-type"
LOW = 1024
"""Ports below need a privilege in most systems."""


def of_gateway(gateway: Object, scene: Scene, *, has_low_ports: bool) -> list[Object]:
    """Its three objects; without low ports, its pods listen 8000 above them."""
    kind = WAYPOINT if scene.is_waypoint(gateway) else GATEWAY
    settings = (scene.snapshot.mesh_config.get("defaultConfig") or {}).get("proxyMetadata") or {}
    service = _service(gateway, kind, has_low_ports=has_low_ports)
    objects = [_account(gateway, kind), _deployment(gateway, kind, settings), service]
    parameters = _parameters(gateway, scene)
    return [overlaid(obj, parameters.get(_KEYS[obj["kind"]], {})) for obj in objects]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What differs between the proxies of gateways and those of waypoints."""

    is_waypoint: bool
    managed_by: str
    """The value of ``gateway.istio.io/managed``."""

    service_type: str
    service_annotations: Mapping[str, str]
    pod_labels: Mapping[str, str]
    role: str
    """What ``pilot-agent proxy`` is told to be."""


GATEWAY = Kind(
    is_waypoint=False,
    managed_by="istio.io-gateway-controller",
    service_type="LoadBalancer",
    service_annotations={},
    pod_labels={},
    role="router",
)
WAYPOINT = Kind(
    is_waypoint=True,
    managed_by=waypoints.MANAGED_BY_MESH,
    service_type="ClusterIP",
    # Callers prefer a waypoint of their own zone.
    service_annotations={"networking.istio.io/traffic-distribution": "PreferClose"},
    pod_labels={"istio.io/dataplane-mode": "none"},
    role="waypoint",
)

_KEYS = {"ServiceAccount": "serviceAccount", "Deployment": "deployment", "Service": "service"}
OVERLAYS = tuple(_KEYS.values())
"""Keys of a parameters ConfigMap that are read."""


def _parameters(gateway: Object, scene: Scene) -> Mapping[str, Any]:
    """The overlays of the ConfigMap that the Gateway names; what is not YAML counts as empty."""
    reference = (gateway["spec"].get("infrastructure") or {}).get("parametersRef") or {}
    if reference.get("kind") != "ConfigMap" or reference.get("group"):
        return {}
    config_map = scene.config_maps.get((resources.namespace_of(gateway), reference["name"])) or {}
    return {key: _overlay(text) for key, text in (config_map.get("data") or {}).items()}


def _overlay(text: str) -> Object:
    try:
        overlay = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return overlay if isinstance(overlay, dict) else {}


def overlaid(value: Any, overlay: Any) -> Any:
    """Maps are merged, lists by the name or port of their items, anything else is replaced."""
    if isinstance(value, dict) and isinstance(overlay, dict):
        return {**value, **{key: overlaid(value.get(key), item) for key, item in overlay.items()}}
    if isinstance(value, list) and isinstance(overlay, list):
        for key in ("name", "port"):
            if all(isinstance(item, dict) and key in item for item in [*value, *overlay]):
                merged = {item[key]: item for item in value}
                merged |= {item[key]: overlaid(merged.get(item[key]), item) for item in overlay}
                return list(merged.values())
    return overlay


def _metadata(gateway: Object, kind: Kind, more: Mapping[str, str] | None = None) -> Object:
    infrastructure = gateway["spec"].get("infrastructure")
    own = resources.annotations_of(gateway)
    annotations: dict[str, str] = {k: v for k, v in own.items() if k not in _DROPPED}
    labels: Mapping[str, str] = resources.labels_of(gateway)
    if infrastructure is not None:
        annotations, labels = dict(infrastructure.get("annotations") or {}), infrastructure.get("labels") or {}
    annotations |= more or {}
    obj: Object = {
        "name": service_name(gateway, is_waypoint=kind.is_waypoint),
        "namespace": resources.namespace_of(gateway),
        "labels": {**labels, **_own_labels(gateway), waypoints.MANAGED: kind.managed_by},
        "ownerReferences": [
            {
                "apiVersion": gateway["apiVersion"],
                "kind": "Gateway",
                "name": resources.name_of(gateway),
                "uid": resources.uid_of(gateway),
            }
        ],
    }
    return obj | ({"annotations": annotations} if annotations else {})


def _own_labels(gateway: Object) -> dict[str, str]:
    return {
        LABEL: resources.name_of(gateway),
        "gateway.networking.k8s.io/gateway-class-name": gateway["spec"]["gatewayClassName"],
    }


def _account(gateway: Object, kind: Kind) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(gateway, kind)}


def _service(gateway: Object, kind: Kind, *, has_low_ports: bool) -> Object:
    ports: dict[int, Object] = {
        STATUS_PORT: {"name": "status-port", "appProtocol": "tcp", "port": STATUS_PORT, "targetPort": STATUS_PORT}
    }
    for listener in gateway["spec"].get("listeners") or []:
        number = listener["port"]
        target = number if has_low_ports or number >= LOW else number + 8000
        entry = {"name": listener["name"], "appProtocol": listener["protocol"].lower(), "port": number}
        ports.setdefault(number, {**entry, "targetPort": target})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(gateway, kind, kind.service_annotations),
        "spec": {
            "type": resources.annotations_of(gateway).get(SERVICE_TYPE, kind.service_type),
            "ports": [{**port, "protocol": "TCP"} for port in ports.values()],
            "selector": {LABEL: resources.name_of(gateway)},
        },
    }


def _deployment(gateway: Object, kind: Kind, settings: Mapping[str, str]) -> Object:
    name, metadata = service_name(gateway, is_waypoint=kind.is_waypoint), _metadata(gateway, kind)
    labels = {
        **metadata["labels"],
        "istio.io/rev": "default",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
        "sidecar.istio.io/inject": "false",
        **kind.pod_labels,
    }
    annotations = {
        **metadata.get("annotations", {}),
        "istio.io/rev": "default",
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": {LABEL: resources.name_of(gateway)}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "serviceAccountName": name,
                    "containers": [_proxy(name, resources.namespace_of(gateway), kind, settings)],
                    "volumes": list(_VOLUMES),
                },
            },
        },
    }


def _proxy(name: str, namespace: str, kind: Kind, settings: Mapping[str, str]) -> Object:
    def value(key: str, text: str) -> Object:
        return {"name": key, "value": text}

    def field(key: str, path: str) -> Object:
        return {"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    return {
        "name": injection.PROXY,
        "image": injection.IMAGE,
        "args": ["proxy", kind.role, "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel", "warning"],
        "ports": [
            {"containerPort": STATUS_PORT, "name": "status-port", "protocol": "TCP"},
            {"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"},
        ],
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("INSTANCE_IP", "status.podIP"),
            field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
            value("ISTIO_META_WORKLOAD_NAME", name),
            value("ISTIO_META_OWNER", f"kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
            value("ISTIO_META_MESH_ID", "cluster.local"),
            value("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            *(value(key, str(text)) for key, text in sorted(settings.items())),
        ],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": STATUS_PORT},
            "periodSeconds": 2,
            "failureThreshold": 30,
            "timeoutSeconds": 1,
        },
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [
            {"name": "istiod-ca-cert", "mountPath": "/var/run/secrets/istio"},
            {"name": "istio-token", "mountPath": "/var/run/secrets/tokens", "readOnly": True},
        ],
    }


_TOKEN = {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}
_VOLUMES = (
    {"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}},
    {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": _TOKEN}]}},
)
