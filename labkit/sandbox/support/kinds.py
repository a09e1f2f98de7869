"""Every built-in kind the API server stores: carried out, or why it has no effect."""

from collections.abc import Mapping

CARRIED_OUT = frozenset(
    (
        "/ConfigMap",
        "/Endpoints",
        "/Event",
        "/LimitRange",
        "/Namespace",
        "/Node",
        "/PersistentVolume",
        "/PersistentVolumeClaim",
        "/Pod",
        "/ReplicationController",
        "/ResourceQuota",
        "/Secret",
        "/Service",
        "/ServiceAccount",
        "apps/DaemonSet",
        "apps/Deployment",
        "apps/ReplicaSet",
        "apps/StatefulSet",
        "autoscaling/HorizontalPodAutoscaler",
        "batch/CronJob",
        "batch/Job",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
        "apiextensions.k8s.io/CustomResourceDefinition",
        "coordination.k8s.io/Lease",
        "discovery.k8s.io/EndpointSlice",
        "events.k8s.io/Event",
        "networking.k8s.io/Ingress",
        "policy/PodDisruptionBudget",
        "rbac.authorization.k8s.io/ClusterRole",
        "rbac.authorization.k8s.io/ClusterRoleBinding",
        "rbac.authorization.k8s.io/Role",
        "rbac.authorization.k8s.io/RoleBinding",
        "scheduling.k8s.io/PriorityClass",
        "storage.k8s.io/StorageClass",
    )
)
"""``GROUP/KIND`` of what works as on a real cluster, except for the fields that the other tables name."""

DATA = frozenset(["/PodTemplate", "apps/ControllerRevision", "networking.k8s.io/IngressClass"])
"""Kinds that only hold data for others: by themselves they do nothing on a real cluster either."""

_NO_DRIVERS = "the sandbox runs no storage drivers"
_NO_POLICIES = "the sandbox evaluates no mutating policies, so nothing is changed by it"
_FIXED_RANGE = "cluster IPs always come from 10.96.0.0/16"

WITHOUT_EFFECT: Mapping[str, str] = {
    "admissionregistration.k8s.io/MutatingAdmissionPolicy": _NO_POLICIES,
    "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding": _NO_POLICIES,
    "apiregistration.k8s.io/APIService": "the sandbox forwards no requests to other API servers",
    "networking.k8s.io/IPAddress": _FIXED_RANGE,
    "networking.k8s.io/NetworkPolicy": "the sandbox filters no packets; use an AuthorizationPolicy",
    "networking.k8s.io/ServiceCIDR": _FIXED_RANGE,
    "storage.k8s.io/CSIDriver": _NO_DRIVERS,
    "storage.k8s.io/CSINode": _NO_DRIVERS,
    "storage.k8s.io/CSIStorageCapacity": _NO_DRIVERS,
    "storage.k8s.io/VolumeAttachment": _NO_DRIVERS,
    "storage.k8s.io/VolumeAttributesClass": _NO_DRIVERS,
}
"""``GROUP/KIND`` → why objects of the kind have no effect."""

STRUCTS: Mapping[str, tuple[str, ...]] = {
    "/Pod": ("spec",),
    "/Namespace": ("spec",),
    "/PersistentVolume": ("spec",),
    "/PersistentVolumeClaim": ("spec",),
    "/Service": ("spec",),
    "apps/DaemonSet": ("spec",),
    "apps/Deployment": ("spec",),
    "/ReplicationController": ("spec",),
    "apps/ReplicaSet": ("spec",),
    "apps/StatefulSet": ("spec",),
    "batch/CronJob": ("spec",),
    "batch/Job": ("spec",),
}
"""Carried-out kinds whose fields are in the tables of structs, and where those begin."""
