"""Labels and annotations by which Kubernetes and its well-known add-ons are told something."""

from collections.abc import Mapping

_CLOUD = "the sandbox has no cloud behind it"
_NGINX = "the sandbox runs no such ingress controller"

ANNOTATIONS: Mapping[str, str] = {
    "cluster-autoscaler.kubernetes.io/": "the sandbox has one node",
    "container.apparmor.security.beta.kubernetes.io/": "the sandbox sets no kernel restrictions",
    "controller.kubernetes.io/pod-deletion-cost": "pods are removed in the order of readiness and age alone",
    "ingress.kubernetes.io/": _NGINX,
    "kubernetes.io/egress-bandwidth": "the sandbox does not limit bandwidth",
    "kubernetes.io/ingress-bandwidth": "the sandbox does not limit bandwidth",
    "nginx.ingress.kubernetes.io/": _NGINX,
    "scheduler.alpha.kubernetes.io/": "the sandbox has one node",
    "seccomp.security.alpha.kubernetes.io/": "the sandbox sets no kernel restrictions",
    "service.beta.kubernetes.io/": _CLOUD,
    "service.kubernetes.io/topology-mode": "the sandbox has one node",
    "traefik.ingress.kubernetes.io/": _NGINX,
    "volume.beta.kubernetes.io/mount-options": "a volume is a folder of this machine",
}
"""Annotation → why it has no effect; a key that ends in a slash stands for every annotation below it."""

LABELS: Mapping[str, Mapping[str, str]] = {
    "/Namespace": {"pod-security.kubernetes.io/audit": "the sandbox keeps no audit log"},
}
"""``GROUP/KIND`` → label → why it has no effect."""
