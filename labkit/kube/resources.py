"""Names of kinds, and the paths they are served at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Object = dict[str, Any]
"""A Kubernetes object as parsed JSON."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind in one version, as the API serves it."""

    api_version: str
    """Group and version as manifests write it: ``v1``, ``apps/v1``."""

    kind: str
    """``Deployment``."""

    plural: str
    """The word in paths: ``deployments``."""

    namespaced: bool = True
    """Whether its objects live in namespaces."""

    @property
    def group(self) -> str:
        """``apps``; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """``v1``."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """``/apis/apps/v1/namespaces/default/deployments/web/status``; no namespace means all of them."""
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _core(kind: str, plural: str, *, namespaced: bool = True) -> Resource:
    return Resource(api_version="v1", kind=kind, plural=plural, namespaced=namespaced)


def _in(api_version: str, kind: str, plural: str, *, namespaced: bool = True) -> Resource:
    return Resource(api_version=api_version, kind=kind, plural=plural, namespaced=namespaced)


NAMESPACES = _core("Namespace", "namespaces", namespaced=False)
NODES = _core("Node", "nodes", namespaced=False)
PODS = _core("Pod", "pods")
SERVICES = _core("Service", "services")
ENDPOINTS = _core("Endpoints", "endpoints")
SERVICE_ACCOUNTS = _core("ServiceAccount", "serviceaccounts")
CONFIG_MAPS = _core("ConfigMap", "configmaps")
SECRETS = _core("Secret", "secrets")
EVENTS = _core("Event", "events")
DEPLOYMENTS = _in("apps/v1", "Deployment", "deployments")
REPLICA_SETS = _in("apps/v1", "ReplicaSet", "replicasets")
JOBS = _in("batch/v1", "Job", "jobs")
ENDPOINT_SLICES = _in("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
INGRESSES = _in("networking.k8s.io/v1", "Ingress", "ingresses")
INGRESS_CLASSES = _in("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False)
REPLICATION_CONTROLLERS = _core("ReplicationController", "replicationcontrollers")
STATEFUL_SETS = _in("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SETS = _in("apps/v1", "DaemonSet", "daemonsets")
CONTROLLER_REVISIONS = _in("apps/v1", "ControllerRevision", "controllerrevisions")
CRON_JOBS = _in("batch/v1", "CronJob", "cronjobs")
AUTOSCALERS = _in("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
QUOTAS = _core("ResourceQuota", "resourcequotas")
CLAIMS = _core("PersistentVolumeClaim", "persistentvolumeclaims")
VOLUMES = _core("PersistentVolume", "persistentvolumes", namespaced=False)
STORAGE_CLASSES = _in("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
LEASES = _in("coordination.k8s.io/v1", "Lease", "leases")
TOKEN_REVIEWS = _in("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)
SUBJECT_ACCESS_REVIEWS = _in("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)
CRDS = _in("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
CLUSTER_ROLES = _in("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDINGS = _in(
    "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
MUTATING_WEBHOOKS = _in(
    "admissionregistration.k8s.io/v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)
VALIDATING_WEBHOOKS = _in(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)

GATEWAYS = _in("networking.istio.io/v1", "Gateway", "gateways")
VIRTUAL_SERVICES = _in("networking.istio.io/v1", "VirtualService", "virtualservices")
DESTINATION_RULES = _in("networking.istio.io/v1", "DestinationRule", "destinationrules")
SERVICE_ENTRIES = _in("networking.istio.io/v1", "ServiceEntry", "serviceentries")
WORKLOAD_ENTRIES = _in("networking.istio.io/v1", "WorkloadEntry", "workloadentries")
SIDECARS = _in("networking.istio.io/v1", "Sidecar", "sidecars")
ENVOY_FILTERS = _in("networking.istio.io/v1alpha3", "EnvoyFilter", "envoyfilters")
PEER_AUTHENTICATIONS = _in("security.istio.io/v1", "PeerAuthentication", "peerauthentications")
REQUEST_AUTHENTICATIONS = _in("security.istio.io/v1", "RequestAuthentication", "requestauthentications")
AUTHORIZATION_POLICIES = _in("security.istio.io/v1", "AuthorizationPolicy", "authorizationpolicies")
TELEMETRIES = _in("telemetry.istio.io/v1", "Telemetry", "telemetries")
WORKLOAD_GROUPS = _in("networking.istio.io/v1", "WorkloadGroup", "workloadgroups")
PROXY_CONFIGS = _in("networking.istio.io/v1beta1", "ProxyConfig", "proxyconfigs")
WASM_PLUGINS = _in("extensions.istio.io/v1alpha1", "WasmPlugin", "wasmplugins")
TRAFFIC_EXTENSIONS = _in("extensions.istio.io/v1alpha1", "TrafficExtension", "trafficextensions")

GATEWAY_CLASSES = _in("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", namespaced=False)
KUBE_GATEWAYS = _in("gateway.networking.k8s.io/v1", "Gateway", "gateways")
HTTP_ROUTES = _in("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
GRPC_ROUTES = _in("gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes")
REFERENCE_GRANTS = _in("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referencegrants")

ISTIO = (
    VIRTUAL_SERVICES,
    DESTINATION_RULES,
    GATEWAYS,
    SERVICE_ENTRIES,
    WORKLOAD_ENTRIES,
    SIDECARS,
    ENVOY_FILTERS,
    PEER_AUTHENTICATIONS,
    REQUEST_AUTHENTICATIONS,
    AUTHORIZATION_POLICIES,
    TELEMETRIES,
)
"""Kinds of Istio's own that tell a mesh what to do."""

NOT_TRANSLATED = (WORKLOAD_GROUPS, PROXY_CONFIGS, WASM_PLUGINS, TRAFFIC_EXTENSIONS)
"""Kinds of Istio's own that the sandbox's istiod says it does not carry out."""

GATEWAY_API = (KUBE_GATEWAYS, HTTP_ROUTES, GRPC_ROUTES, REFERENCE_GRANTS)
"""Namespaced kinds of the Gateway API that do."""


def name_of(obj: Mapping[str, Any]) -> str:
    """``metadata.name``."""
    return str(obj.get("metadata", {}).get("name", ""))


def namespace_of(obj: Mapping[str, Any]) -> str:
    """``metadata.namespace``; empty for cluster-scoped objects."""
    return str(obj.get("metadata", {}).get("namespace", ""))


def uid_of(obj: Mapping[str, Any]) -> str:
    """``metadata.uid``."""
    return str(obj.get("metadata", {}).get("uid", ""))


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """``metadata.labels``, empty when there are none."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """``metadata.annotations``, empty when there are none."""
    return obj.get("metadata", {}).get("annotations") or {}


def owner_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The owner reference marked ``controller``."""
    owners = obj.get("metadata", {}).get("ownerReferences") or []
    return next((o for o in owners if o.get("controller")), None)
