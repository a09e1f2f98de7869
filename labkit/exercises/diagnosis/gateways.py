"""Why a gateway's proxy does not listen where requests come in."""

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import GATEWAY
from labkit.kube import resources
from labkit.kube.resources import Object


def no_listener(mesh: Objects) -> list[Cause]:
    """Why the ingress gateway listens nowhere, told of each Gateway."""
    if not mesh.gateways:
        return [cause.shown("no Gateway asks the ingress gateway to listen, so nothing answers", "lab.expose()")]
    return cause.ranked(_why(gateway, mesh) for gateway in mesh.gateways)


def _why(gateway: Object, mesh: Objects) -> Cause:
    title = objects.title(gateway)
    return fault(gateway, mesh) or cause.undecided(
        f"{title} asks for port 80, and the gateway's proxy has no listener for it", "lab.analyze()"
    )


def fault(gateway: Object, mesh: Objects) -> Cause | None:
    """What keeps the ingress gateway from listening at port 80 for a Gateway."""
    spec, title = objects.spec_of(gateway), objects.title(gateway)
    selector = spec.get("selector") or {}
    pods = [pod for pod in mesh.pods if resources.name_of(pod).startswith(GATEWAY)]
    if not any(selector.items() <= resources.labels_of(pod).items() for pod in pods):
        return cause.shown(
            f"the selector of {title} is {objects.pairs(selector)}, and no pod of a gateway has that label",
            'lab.kubectl("get pods -n istio-system --show-labels")',
        )
    ports = [str((server.get("port") or {}).get("number")) for server in spec.get("servers") or []]
    if "80" not in ports:
        return cause.shown(f"{title} listens at port {', '.join(ports) or 'none'}, and requests come to port 80")
    return None


def hosts_of(gateway: Object) -> list[str]:
    """The hosts of its servers, without their namespaces."""
    servers = objects.spec_of(gateway).get("servers") or []
    return [str(host).rpartition("/")[2] for server in servers for host in server.get("hosts") or []]
