"""Which pod an argument means: ``reviews-v1-…``, ``pod.namespace``, ``deploy/reviews-v1``, ``svc/reviews``."""

from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources
from labkit.kube.resources import Object, Resource

OWNERS = {
    **dict.fromkeys(("deploy", "deployment", "deployments"), resources.DEPLOYMENTS),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), resources.REPLICA_SETS),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), resources.STATEFUL_SETS),
    **dict.fromkeys(("ds", "daemonset", "daemonsets"), resources.DAEMON_SETS),
}
SERVICE, POD = ("svc", "service", "services"), ("po", "pod", "pods")


def pod(session: Session, argument: str) -> Object:
    """The pod; CommandError where there is none."""
    kind, slash, rest = argument.partition("/")
    if not slash:
        return _pod(session, argument)
    name, namespace = placed(session, rest)
    if kind in POD:
        return _pod(session, rest)
    if kind in SERVICE:
        service = _get(session, resources.SERVICES, name, namespace)
        return _first(session, (service["spec"].get("selector") or {}), namespace, argument)
    if kind not in OWNERS:
        raise CommandError(f'the server doesn\'t have a resource type "{kind}"\nNext: name a pod, or deploy/NAME')
    owner = _get(session, OWNERS[kind], name, namespace)
    return _first(session, owner["spec"]["selector"].get("matchLabels") or {}, namespace, argument)


def placed(session: Session, name: str) -> tuple[str, str]:
    """Name and namespace of ``name`` or ``name.namespace``."""
    short, dot, namespace = name.rpartition(".")
    return (short, namespace) if dot else (name, session.namespace)


def _pod(session: Session, name: str) -> Object:
    short, namespace = placed(session, name)
    return _get(session, resources.PODS, short, namespace)


def _get(session: Session, resource: Resource, name: str, namespace: str) -> Object:
    obj = session.api.find(resource, name, namespace)
    if obj is None:
        raise CommandError(
            f'{resource.plural} "{name}" not found in namespace {namespace}\nNext: kubectl -n {namespace} get '
            f"{resource.plural}"
        )
    return obj


def _first(session: Session, selector: dict[str, str], namespace: str, argument: str) -> Object:
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    pods = session.api.list(resources.PODS, namespace, labels=labels) if labels else []
    running = [p for p in pods if (p.get("status") or {}).get("phase") == "Running"]
    if not running:
        raise CommandError(f"no pods found for {argument}\nNext: kubectl -n {namespace} get pods")
    return min(running, key=resources.name_of)
