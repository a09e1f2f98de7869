"""``istioctl waypoint``: Gateways of class istio-waypoint, made, listed and taken away."""

import argparse
from collections.abc import Callable

from labkit.base import errors, waiting
from labkit.istioctl import tables
from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources, status
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment, waypoints

NAME = "waypoint"
REVISION = "istio.io/rev"
TRAFFIC = ("all", "none", "service", "workload")
WAIT = 90.0
"""Seconds that ``--wait`` allows, as istioctl does."""


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=NAME)
    parser.add_argument("--for", dest="traffic", default="")
    parser.add_argument("-r", "--revision", default="")


def generate_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``waypoint generate``."""
    _named(parser)


def apply_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``waypoint apply``."""
    _named(parser)
    parser.add_argument("--enroll-namespace", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("-w", "--wait", action="store_true")


def delete_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``waypoint delete``."""
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-r", "--revision", default="")


def list_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``waypoint list``."""
    parser.add_argument("-A", "--all-namespaces", action="store_true")


def status_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``waypoint status``."""
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("-w", "--wait", action="store_true", default=True)


def gateway(arguments: argparse.Namespace, namespace: str) -> Object:
    """The Gateway that the flags ask for."""
    if arguments.traffic and arguments.traffic not in TRAFFIC:
        raise CommandError(f"invalid traffic type: {arguments.traffic}. Valid options are: {', '.join(TRAFFIC)}")
    labels = {
        **({waypoints.WAYPOINT_FOR: arguments.traffic} if arguments.traffic else {}),
        **({REVISION: arguments.revision} if arguments.revision else {}),
    }
    metadata = {"name": arguments.name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": resources.KUBE_GATEWAYS.api_version,
        "kind": "Gateway",
        "metadata": {**({"labels": labels} if labels else {}), **metadata},
        "spec": {
            "gatewayClassName": waypoints.CLASS,
            "listeners": [{"name": "mesh", "port": waypoints.HBONE_PORT, "protocol": "HBONE"}],
        },
    }


def generate(session: Session, arguments: argparse.Namespace) -> int:
    """Print the manifest of a waypoint."""
    session.out.append(manifests.dump(gateway(arguments, getattr(arguments, "namespace", ""))))
    return 0


def apply(session: Session, arguments: argparse.Namespace) -> int:
    """Make a waypoint in a namespace, and with --enroll-namespace have the namespace use it."""
    namespace = session.namespace
    if arguments.enroll_namespace:
        _may_enroll(session, namespace, arguments)
    obj = gateway(arguments, namespace)
    try:
        session.api.apply(resources.KUBE_GATEWAYS, obj, manager="istioctl")
    except status.NotFound as e:
        raise CommandError(
            f"the Kubernetes Gateway API CRDs are missing, or namespace {namespace} is: {e}\n"
            "Next: kubectl get crd gateways.gateway.networking.k8s.io"
        ) from e
    session.print(f"✅ waypoint {namespace}/{arguments.name} applied")
    if arguments.wait:
        _until_programmed(session, namespace, arguments.name)
        session.print(f"✅ waypoint {namespace}/{arguments.name} is ready!")
    if arguments.enroll_namespace:
        patch = {"metadata": {"labels": {waypoints.USE_WAYPOINT: arguments.name}}}
        session.api.patch(resources.NAMESPACES, namespace, None, patch)
        session.print(f'✅ namespace {namespace} labeled with "{waypoints.USE_WAYPOINT}: {arguments.name}"')
    return 0


def _may_enroll(session: Session, namespace: str, arguments: argparse.Namespace) -> None:
    labels = resources.labels_of(session.api.get(resources.NAMESPACES, namespace))
    if labels.get(waypoints.USE_WAYPOINT, arguments.name) != arguments.name and not arguments.overwrite:
        raise CommandError(
            f"the namespace ({namespace}) already has an enrolled waypoint. "
            "Consider adding the --overwrite flag to your apply command"
        )
    if labels.get(enrolment.MODE) != enrolment.AMBIENT:
        command = f"kubectl label namespace {namespace} {enrolment.MODE}={enrolment.AMBIENT}"
        session.print(f"Warning: namespace is not enrolled in ambient. Consider running\t`{command}`")


def delete(session: Session, arguments: argparse.Namespace) -> int:
    """Take waypoints away."""
    if arguments.all and arguments.names:
        raise CommandError("cannot specify waypoint names when deleting all waypoints")
    if not arguments.all and not arguments.names:
        raise CommandError("either a waypoint name must be specified or delete all using --all")
    there = [resources.name_of(g) for g in _waypoints(session, session.namespace) if _is_of(g, arguments.revision)]
    missing = [name for name in arguments.names if name not in there]
    for name in there if arguments.all else [name for name in arguments.names if name in there]:
        session.api.delete(resources.KUBE_GATEWAYS, name, session.namespace)
        session.print(f"waypoint {session.namespace}/{name} deleted")
    if missing:
        named = ", ".join(f"waypoint {session.namespace}/{name}" for name in missing)
        raise CommandError(f"{named} not found\nNext: istioctl waypoint list -n {session.namespace}")
    return 0


def _is_of(obj: Object, revision: str) -> bool:
    return not revision or resources.labels_of(obj).get(REVISION, "default") == revision


def listed(session: Session, arguments: argparse.Namespace) -> int:
    """List waypoints and whether each is programmed."""
    gateways = _waypoints(session, "" if arguments.all_namespaces else session.namespace)
    if not gateways:
        session.print("No waypoints found.")
        return 0
    rows = [
        (
            resources.namespace_of(g),
            resources.name_of(g),
            resources.labels_of(g).get(REVISION) or "default",
            str(_programmed(g).get("status", "False")),
        )
        for g in gateways
    ]
    header = ("NAMESPACE", "NAME", "REVISION", "PROGRAMMED")
    skipped = 0 if arguments.all_namespaces else 1
    session.print(*tables.lines(header[skipped:], [row[skipped:] for row in rows]))
    return 0


def shown(session: Session, arguments: argparse.Namespace) -> int:
    """Say what istiod has made of waypoints, waiting for each to be programmed."""
    gateways = _waypoints(session, session.namespace)
    if arguments.name:
        gateways = [g for g in gateways if resources.name_of(g) == arguments.name]
    if not gateways:
        what = f"waypoint {session.namespace}/{arguments.name}" if arguments.name else "No waypoints"
        raise CommandError(f"{what} not found\nNext: istioctl waypoint list -A")
    rows = []
    for obj in gateways:
        namespace, name = resources.namespace_of(obj), resources.name_of(obj)
        told = _programmed(_until_programmed(session, namespace, name))
        rows.append((namespace, name, *(str(told.get(key, "")) for key in ("status", "type", "reason", "message"))))
    session.print(*tables.lines(("NAMESPACE", "NAME", "STATUS", "TYPE", "REASON", "MESSAGE"), rows))
    return 0


def _waypoints(session: Session, namespace: str) -> list[Object]:
    try:
        every = session.api.list(resources.KUBE_GATEWAYS, namespace or None)
    except status.NotFound as e:
        raise CommandError(f"the Kubernetes Gateway API CRDs are missing: {e}\nNext: istioctl install") from e
    return [g for g in every if g["spec"].get("gatewayClassName") == waypoints.CLASS]


def _programmed(obj: Object) -> Object:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == "Programmed"), {})


def _until_programmed(session: Session, namespace: str, name: str) -> Object:
    def look() -> Object:
        obj = session.api.get(resources.KUBE_GATEWAYS, name, namespace)
        return obj if _programmed(obj).get("status") == "True" else {}

    try:
        return waiting.until(
            look,
            what=f"waypoint {namespace}/{name}",
            timeout=WAIT,
            next_step=f"kubectl -n {namespace} describe gateway {name}",
        )
    except errors.NotReadyError as e:
        raise CommandError(f"timed out while waiting for waypoint {namespace}/{name}\n{e}") from e


PARTS: dict[
    str, tuple[tuple[str, ...], Callable[[argparse.ArgumentParser], None], Callable[[Session, argparse.Namespace], int]]
] = {
    "apply": ((), apply_options, apply),
    "delete": ((), delete_options, delete),
    "generate": ((), generate_options, generate),
    "list": ((), list_options, listed),
    "status": ((), status_options, shown),
}
"""Name of a part → its aliases, its options and what runs it."""
