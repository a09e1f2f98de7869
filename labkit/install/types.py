"""CustomResourceDefinitions of Istio and of the Gateway API."""

from dataclasses import dataclass

from labkit.base import versions
from labkit.install import schemas
from labkit.kube.resources import Object

Column = tuple[str, str, str]
"""Name, type and path of a column that ``kubectl get`` prints."""

AGE: Column = ("Age", "date", ".metadata.creationTimestamp")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One custom resource."""

    group: str
    name: str
    plural: str
    versions: tuple[str, ...]
    """Served versions, the stored one first."""

    short: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    table: str = "istio"
    """The table of types that describes it."""

    type: str = ""
    """Its type in the table, where that is not its name."""

    namespaced: bool = True
    annotations: tuple[tuple[str, str], ...] = ()
    """Of the definition."""

    initial: tuple[str, ...] = ()
    """Conditions that its status has before any controller has seen it."""


NETWORKING = ("v1", "v1beta1", "v1alpha3")
KINDS = (
    Kind(
        group="networking.istio.io",
        name="VirtualService",
        plural="virtualservices",
        versions=NETWORKING,
        short=("vs",),
        columns=(("Gateways", "string", ".spec.gateways"), ("Hosts", "string", ".spec.hosts"), AGE),
    ),
    Kind(
        group="networking.istio.io",
        name="DestinationRule",
        plural="destinationrules",
        versions=NETWORKING,
        short=("dr",),
        columns=(("Host", "string", ".spec.host"), AGE),
    ),
    Kind(group="networking.istio.io", name="Gateway", plural="gateways", versions=NETWORKING, short=("gw",)),
    Kind(
        group="networking.istio.io",
        name="ServiceEntry",
        plural="serviceentries",
        versions=NETWORKING,
        short=("se",),
        columns=(
            ("Hosts", "string", ".spec.hosts"),
            ("Location", "string", ".spec.location"),
            ("Resolution", "string", ".spec.resolution"),
            AGE,
        ),
    ),
    Kind(
        group="networking.istio.io",
        name="WorkloadEntry",
        plural="workloadentries",
        versions=NETWORKING,
        short=("we",),
        columns=(AGE, ("Address", "string", ".spec.address")),
    ),
    Kind(
        group="networking.istio.io",
        name="WorkloadGroup",
        plural="workloadgroups",
        versions=NETWORKING,
        short=("wg",),
        columns=(AGE,),
    ),
    Kind(group="networking.istio.io", name="Sidecar", plural="sidecars", versions=NETWORKING),
    Kind(group="networking.istio.io", name="EnvoyFilter", plural="envoyfilters", versions=("v1alpha3",)),
    Kind(group="networking.istio.io", name="ProxyConfig", plural="proxyconfigs", versions=("v1beta1",)),
    Kind(
        group="security.istio.io",
        name="PeerAuthentication",
        plural="peerauthentications",
        versions=("v1", "v1beta1"),
        short=("pa",),
        columns=(("Mode", "string", ".spec.mtls.mode"), AGE),
    ),
    Kind(
        group="security.istio.io",
        name="RequestAuthentication",
        plural="requestauthentications",
        versions=("v1", "v1beta1"),
        short=("ra",),
    ),
    Kind(
        group="security.istio.io",
        name="AuthorizationPolicy",
        plural="authorizationpolicies",
        versions=("v1", "v1beta1"),
        short=("ap",),
        columns=(("Action", "string", ".spec.action"), AGE),
    ),
    Kind(
        group="telemetry.istio.io",
        name="Telemetry",
        plural="telemetries",
        versions=("v1", "v1alpha1"),
        short=("telemetry",),
        columns=(AGE,),
    ),
    Kind(
        group="extensions.istio.io",
        name="WasmPlugin",
        plural="wasmplugins",
        versions=("v1alpha1",),
        columns=(AGE,),
    ),
    Kind(
        group="extensions.istio.io",
        name="TrafficExtension",
        plural="trafficextensions",
        versions=("v1alpha1",),
        columns=(AGE,),
    ),
)

GATEWAY_API = "gateway.networking.k8s.io"
BUNDLE = (
    # The API server lets only approved definitions into this group.
    ("api-approved.kubernetes.io", "https://github.com/kubernetes-sigs/gateway-api/pull/3328"),
    ("gateway.networking.k8s.io/bundle-version", versions.gateway_api()),
    ("gateway.networking.k8s.io/channel", "standard"),
)
GATEWAY_KINDS = (
    Kind(
        group=GATEWAY_API,
        name="GatewayClass",
        plural="gatewayclasses",
        versions=("v1", "v1beta1"),
        short=("gc",),
        table="gateway-api",
        annotations=BUNDLE,
        namespaced=False,
        initial=("Accepted",),
        columns=(
            ("Controller", "string", ".spec.controllerName"),
            ("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status'),
            AGE,
        ),
    ),
    Kind(
        group=GATEWAY_API,
        name="Gateway",
        plural="gateways",
        versions=("v1", "v1beta1"),
        short=("gtw",),
        table="gateway-api",
        type="KubernetesGateway",
        annotations=BUNDLE,
        initial=("Accepted", "Programmed"),
        columns=(
            ("Class", "string", ".spec.gatewayClassName"),
            ("Address", "string", ".status.addresses[*].value"),
            ("Programmed", "string", '.status.conditions[?(@.type=="Programmed")].status'),
            AGE,
        ),
    ),
    Kind(
        group=GATEWAY_API,
        name="HTTPRoute",
        plural="httproutes",
        versions=("v1", "v1beta1"),
        table="gateway-api",
        annotations=BUNDLE,
        columns=(("Hostnames", "string", ".spec.hostnames"), AGE),
    ),
    Kind(
        group=GATEWAY_API,
        name="GRPCRoute",
        plural="grpcroutes",
        versions=("v1",),
        table="gateway-api",
        annotations=BUNDLE,
        columns=(("Hostnames", "string", ".spec.hostnames"), AGE),
    ),
    Kind(
        group=GATEWAY_API,
        name="ReferenceGrant",
        plural="referencegrants",
        versions=("v1", "v1beta1"),
        short=("refgrant",),
        table="gateway-api",
        annotations=BUNDLE,
        columns=(AGE,),
    ),
)


def crds() -> list[Object]:
    """Istio's definitions, and those of the Gateway API."""
    return [_crd(kind) for kind in (*KINDS, *GATEWAY_KINDS)]


def _crd(kind: Kind) -> Object:
    names: Object = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "categories": ["gateway-api"] if kind.group == GATEWAY_API else ["istio-io", kind.group.replace(".", "-")],
    }
    if kind.short:
        names["shortNames"] = list(kind.short)
    metadata: Object = {"name": f"{kind.plural}.{kind.group}"}
    if kind.annotations:
        metadata["annotations"] = dict(kind.annotations)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(kind, v, stored=v == kind.versions[0]) for v in kind.versions],
        },
    }


def _version(kind: Kind, name: str, *, stored: bool) -> Object:
    schema = {
        "type": "object",
        "properties": {"spec": schemas.schema_of(kind.table, kind.type or kind.name), "status": _status(kind)},
    }
    version: Object = {
        "name": name,
        "served": True,
        "storage": stored,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    if kind.columns:
        version["additionalPrinterColumns"] = [{"name": n, "type": t, "jsonPath": path} for n, t, path in kind.columns]
    return version


def _status(kind: Kind) -> Object:
    schema: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if kind.initial:
        schema["default"] = {"conditions": [{"type": name, **_PENDING} for name in kind.initial]}
    return schema


_PENDING = {
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for controller",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}
