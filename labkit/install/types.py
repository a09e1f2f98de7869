"""CustomResourceDefinitions of Istio and of the Gateway API, made from our table of types (``data/istio.types``)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from labkit.kube.resources import Object

SCALARS: Mapping[str, Object] = {
    "s": {"type": "string"},
    "i": {"type": "integer"},
    "n": {"type": "number"},
    "b": {"type": "boolean"},
    "?": {"x-kubernetes-preserve-unknown-fields": True},
}

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
    type: str = ""
    """Its type in the table, where that is not its name."""

    namespaced: bool = True


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
)


def crds() -> list[Object]:
    """Istio's CustomResourceDefinitions."""
    return [_crd(kind) for kind in KINDS]


def _crd(kind: Kind) -> Object:
    names: Object = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "categories": ["istio-io", kind.group.replace(".", "-")],
    }
    if kind.short:
        names["shortNames"] = list(kind.short)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
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
        "properties": {"spec": schema_of(kind.type or kind.name), "status": _STATUS},
    }
    found: Object = {
        "name": name,
        "served": True,
        "storage": stored,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    if kind.columns:
        found["additionalPrinterColumns"] = [{"name": n, "type": t, "jsonPath": path} for n, t, path in kind.columns]
    return found


_STATUS: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@cache
def schema_of(name: str) -> Object:
    """The structural schema of a type of the table."""
    fields = table()[name]
    return {"type": "object", "properties": {field: _field(said) for field, said in fields.items()}}


def _field(said: str) -> Object:
    if said in SCALARS:
        return dict(SCALARS[said])
    if said.startswith("["):
        return {"type": "array", "items": _field(said[1:-1])}
    if said.startswith("{"):
        return {"type": "object", "additionalProperties": _field(said[1:-1])}
    return schema_of(said)


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Type → field → what it holds."""
    text = resources.files(__package__).joinpath("data/istio.types").read_text()
    lines = re.sub(r"\n  +", " ", re.sub(r"#[^\n]*", "", text)).splitlines()
    found: dict[str, dict[str, str]] = {}
    for line in filter(None, map(str.strip, lines)):
        name, _, fields = line.partition(":")
        found[name] = dict(tuple(field.split()) for field in fields.split(","))  # type: ignore[misc]
    return found
