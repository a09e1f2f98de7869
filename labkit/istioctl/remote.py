"""Smaller commands: ``remote-clusters``, ``x precheck``, ``x check-inject``, ``admin log``, ``profile list``."""

import argparse

from labkit.istioctl import tables, targets
from labkit.istioctl.installing import CARRIED
from labkit.istioctl.session import Session
from labkit.kube import resources
from labkit.mesh import injection


def nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def clusters(session: Session, _: argparse.Namespace) -> int:
    """The clusters that each istiod reads: here its own."""
    rows = [("Kubernetes", "", "synced", resources.name_of(pod)) for pod in session.istiods()]
    session.print(*tables.lines(("NAME", "SECRET", "STATUS", "ISTIOD"), rows))
    return 0


def precheck(session: Session, _: argparse.Namespace) -> int:
    """Whether Istio could be installed or upgraded."""
    session.api.list(resources.NAMESPACES)
    session.print("✔ No issues found when checking the cluster. Istio is safe to install or upgrade!")
    session.print("  To get started, check out https://istio.io/latest/docs/setup/getting-started/.")
    return 0


def check_inject_options(parser: argparse.ArgumentParser) -> None:
    """The argument of ``check-inject``."""
    parser.add_argument("target")


def check_inject(session: Session, arguments: argparse.Namespace) -> int:
    """Whether a pod would be injected, and which label decides."""
    pod = targets.pod(session, arguments.target)
    namespace = session.api.get(resources.NAMESPACES, resources.namespace_of(pod))
    is_wanted = injection.is_wanted(pod, namespace)
    labels = {**resources.labels_of(namespace), **resources.labels_of(pod)}
    named = {k: v for k, v in labels.items() if k in ("istio-injection", "istio.io/rev", "sidecar.istio.io/inject")}
    reason = ", ".join(f"{k}={v}" for k, v in named.items()) or "no injection label on the namespace or the pod"
    row = ("istio-sidecar-injector", "default", "✔" if is_wanted else "✘", reason)
    session.print(*tables.lines(("WEBHOOK", "REVISION", "INJECTED", "REASON"), [row]))
    return 0


def profiles(session: Session, _: argparse.Namespace) -> int:
    """The profiles that ``install`` carries out."""
    session.print("Istio configuration profiles:", *(f"    {name}: {what}" for name, what in CARRIED.items()))
    return 0
