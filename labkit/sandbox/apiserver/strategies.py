"""What differs from kind to kind in the server itself, as data: everything else is the same for all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

NAME_AND_NAMESPACE = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How the server treats objects of one resource; the defaults hold for most."""

    counts: str = ""
    """What raises ``metadata.generation``: nothing, ``spec``, ``spec+annotations``, ``body`` (all but
    metadata and status), or ``body+labels``."""

    create_by_update: bool = False
    """Whether a PUT of a missing object creates it."""

    unconditional: bool = True
    """Whether a PUT may leave out the resourceVersion."""

    returns_deleted: bool = False
    """Whether DELETE answers with the object instead of a Status."""

    graceful: bool = False
    """Whether a deletion waits for the kubelet (pods)."""

    orphans: bool = False
    """Whether dependents stay when a deletion names no policy."""

    cleanup: str = ""
    """The finalizer that a deletion adds, so that what belongs to the object goes first."""

    orphans_warning: str = ""
    """What a deletion that leaves dependents so is told."""

    collected: bool = True
    """Whether a deletion may wait for dependents, or leave them: events have none."""

    collection: bool = True
    """Whether a whole collection can be deleted at once."""

    fields: tuple[str, ...] = ()
    """Field selectors beyond name and namespace."""

    strict_fields: str = ""
    """The sentence for other field selectors, ``%s`` being the field; empty for the one of kinds without any."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Field selectors that stand for another path."""

    status_keeps: tuple[str, ...] = ()
    """Metadata that a write to ``/status`` cannot change."""

    internal: str = ""
    """Go's internal package in messages about the type (``core``); empty: the group's first word."""


_UNSUPPORTED = "field label not supported: %s"

_EVENT_FIELDS = (
    "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid"
    " involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath"
    " reason reportingComponent source type"
)
_NAMED = Strategy(create_by_update=True)
"""Kinds that a PUT makes."""

_SPECIAL: dict[str, Strategy] = {
    "/pods": Strategy(
        counts="spec",
        returns_deleted=True,
        graceful=True,
        fields=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ),
        strict_fields=_UNSUPPORTED,
        status_keeps=("ownerReferences", "deletionTimestamp"),
    ),
    "/services": Strategy(
        returns_deleted=True,
        create_by_update=True,
        fields=("spec.clusterIP", "spec.type"),
        strict_fields=_UNSUPPORTED,
    ),
    "/events": Strategy(
        collected=False,
        create_by_update=True,
        fields=tuple(_EVENT_FIELDS.split()),
        strict_fields=_UNSUPPORTED,
        aliases={"source": "source.component"},
    ),
    "/namespaces": Strategy(
        collection=False, returns_deleted=True, fields=("status.phase",), strict_fields=_UNSUPPORTED
    ),
    "/nodes": Strategy(fields=("spec.unschedulable",), strict_fields=_UNSUPPORTED),
    "/secrets": Strategy(fields=("type",), strict_fields=_UNSUPPORTED),
    "/replicationcontrollers": Strategy(
        counts="spec", orphans=True, fields=("status.replicas",), strict_fields=_UNSUPPORTED
    ),
    "/serviceaccounts": Strategy(returns_deleted=True),
    "/persistentvolumeclaims": Strategy(returns_deleted=True),
    "/persistentvolumes": Strategy(returns_deleted=True, create_by_update=False),
    "/podtemplates": Strategy(counts="template", returns_deleted=True, create_by_update=True),
    "/resourcequotas": Strategy(returns_deleted=True, create_by_update=True),
    "/limitranges": _NAMED,
    "/endpoints": _NAMED,
    "apps/deployments": Strategy(counts="spec+annotations", status_keeps=("labels",)),
    "apps/daemonsets": Strategy(counts="spec", status_keeps=("labels",)),
    "apps/replicasets": Strategy(counts="spec"),
    "apps/statefulsets": Strategy(counts="spec"),
    "batch/jobs": Strategy(
        counts="spec",
        orphans=True,
        orphans_warning="child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to"
        " remove them or set propagationPolicy=Orphan to suppress this warning",
        fields=("status.successful",),
        strict_fields='field label "%s" not supported for Job',
        aliases={"status.successful": "status.succeeded"},
    ),
    "batch/cronjobs": Strategy(counts="spec"),
    "networking.k8s.io/ingresses": Strategy(counts="spec"),
    "networking.k8s.io/networkpolicies": Strategy(counts="spec"),
    "networking.k8s.io/ingressclasses": Strategy(counts="spec"),
    "networking.k8s.io/ipaddresses": Strategy(counts="spec"),
    "policy/poddisruptionbudgets": Strategy(counts="spec", unconditional=False),
    "discovery.k8s.io/endpointslices": Strategy(counts="body+labels"),
    "coordination.k8s.io/leases": Strategy(create_by_update=True, unconditional=False),
    "rbac.authorization.k8s.io/roles": _NAMED,
    "rbac.authorization.k8s.io/rolebindings": _NAMED,
    "rbac.authorization.k8s.io/clusterroles": _NAMED,
    "rbac.authorization.k8s.io/clusterrolebindings": _NAMED,
    "scheduling.k8s.io/priorityclasses": Strategy(counts="body"),
    "storage.k8s.io/storageclasses": Strategy(returns_deleted=True),
    "storage.k8s.io/volumeattributesclasses": Strategy(),
    "storage.k8s.io/csidrivers": Strategy(returns_deleted=True, unconditional=False),
    "storage.k8s.io/csinodes": Strategy(returns_deleted=True, unconditional=False),
    "storage.k8s.io/volumeattachments": Strategy(returns_deleted=True, unconditional=False),
    "node.k8s.io/runtimeclasses": Strategy(unconditional=False),
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": Strategy(counts="webhooks", unconditional=False),
    "admissionregistration.k8s.io/validatingwebhookconfigurations": Strategy(counts="webhooks", unconditional=False),
    "admissionregistration.k8s.io/validatingadmissionpolicies": Strategy(counts="spec", unconditional=False),
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": Strategy(counts="spec", unconditional=False),
    "admissionregistration.k8s.io/mutatingadmissionpolicies": Strategy(counts="spec", unconditional=False),
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": Strategy(counts="spec", unconditional=False),
    "apiextensions.k8s.io/customresourcedefinitions": Strategy(
        counts="spec", unconditional=False, cleanup="customresourcecleanup.apiextensions.k8s.io"
    ),
    "apiregistration.k8s.io/apiservices": Strategy(unconditional=False),
}

CUSTOM = Strategy(counts="body", unconditional=False, strict_fields=_UNSUPPORTED)
_ORDINARY = Strategy()


@cache
def of(resource: str) -> Strategy:
    """The strategy of ``group/plural`` among the built-in resources."""
    return _SPECIAL.get(resource, _ORDINARY)
