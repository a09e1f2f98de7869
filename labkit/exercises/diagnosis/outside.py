"""Hosts that a proxy does not know: why no ServiceEntry brings them, and why nobody stands behind one."""

from labkit.exercises.diagnosis import cause, objects, scopes
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision, Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names

UNKNOWN = ("block_all", "allow_any")
"""Istio's virtual hosts for what the mesh does not know; also of tables by port."""


CLOSED = "the connection is closed"
"""The answer of a proxy that passes nothing on to a port for which it was told of no host at all."""


def is_unknown(decision: Decision) -> bool:
    """Whether the host of the request is none that the proxy was told of."""
    return str(decision.virtual_host.get("name", "")).partition(":")[0] in UNKNOWN


def why_unknown(decision: Decision, mesh: Objects) -> list[Cause]:
    """Why a proxy does not know the host of a request."""
    host, _, _ = decision.ask.host.partition(":")
    entries = [e for e in mesh.service_entries if any(names.covers(h, host) for h in _hosts(e))]
    if entries:
        return cause.ranked(_why_not_by(entry, decision, mesh, host) for entry in entries)
    service = mesh.service(names.full_host(host, mesh.namespace))
    if service is not None:
        return [_why_not_service(service, decision, mesh)]
    near = next((e for e in mesh.service_entries if objects.nearest(host, _hosts(e))), None)
    if near is not None:
        own = objects.nearest(host, _hosts(near))
        return [cause.near(f"{objects.title(near)} is for the host {own}, and the request asks for {host}")]
    return [
        cause.shown(
            f"no ServiceEntry and no Service has the host {host}, so the proxy of {decision.ask.proxy} does not know it"
        )
    ]


def _hosts(entry: Object) -> list[str]:
    return [str(host) for host in objects.spec_of(entry).get("hosts") or []]


def _why_not_by(entry: Object, decision: Decision, mesh: Objects, host: str) -> Cause:
    title, spec = objects.title(entry), objects.spec_of(entry)
    ports = [int(port.get("number", 0)) for port in spec.get("ports") or []]
    if decision.ask.port not in ports:
        told = ", ".join(map(str, ports)) or "none"
        return cause.shown(
            f"{title} gives {host} the port {told} (`ports[].number`), and the request asks for port "
            f"{decision.ask.port}"
        )
    protocols = {str(p.get("protocol", "HTTP")).upper() for p in spec.get("ports") or []}
    if not protocols & {"HTTP", "HTTP2", "GRPC"}:
        return cause.shown(
            f"the port of {title} has the protocol {', '.join(sorted(protocols))}, and HTTP is routed by host"
        )
    if exported := spec.get("exportTo"):
        return cause.silent(f"{title} is exported to {', '.join(map(str, exported))} only (`exportTo`)")
    return cause.undecided(
        f"{title} names {host}, and the proxy of {decision.ask.proxy} does not know it: {_left_out(decision, mesh)}",
        'lab.kubectl("get sidecars -A -o yaml")',
    )


def _left_out(decision: Decision, mesh: Objects) -> str:
    """Which Sidecar leaves a host out that the mesh has."""
    pod = next((p for p in mesh.pods if resources.name_of(p).startswith(decision.ask.proxy)), None)
    sidecar = scopes.sidecar_of(pod, mesh) if pod else None
    if sidecar is None:
        return "no Sidecar is for it"
    hosts = scopes.hosts_of(sidecar)
    return f"`egress.hosts` of {objects.title(sidecar)} is {', '.join(hosts) or 'empty'}"


def _why_not_service(service: Object, decision: Decision, mesh: Objects) -> Cause:
    ports = [port.get("port") for port in objects.spec_of(service).get("ports") or []]
    if decision.ask.port not in ports:
        return cause.shown(
            f"Service {resources.name_of(service)} has port {', '.join(map(str, ports))}, and the request asks for "
            "port "
            f"{decision.ask.port}"
        )
    return cause.undecided(
        f"the proxy of {decision.ask.proxy} does not know Service {resources.name_of(service)}: "
        f"{_left_out(decision, mesh)}",
        'lab.kubectl("get sidecars -A -o yaml")',
    )


def entry_of(target: Target, mesh: Objects) -> Object | None:
    """The ServiceEntry behind a target."""
    return next((e for e in mesh.service_entries if any(names.covers(h, target.host) for h in _hosts(e))), None)


def nobody(entry: Object, mesh: Objects) -> Cause:
    """Why no endpoint stands behind a ServiceEntry."""
    title, namespace = objects.title(entry), resources.namespace_of(entry)
    labels = (objects.spec_of(entry).get("workloadSelector") or {}).get("labels") or {}
    if looked_up := unresolved(entry):
        return looked_up
    if not labels:
        return cause.shown(f"{title} names no endpoints, and has no workloadSelector that finds pods")
    fit = [p for p in mesh.pods if labels.items() <= resources.labels_of(p).items()]
    if not fit:
        return cause.shown(
            f"the workloadSelector of {title} is {objects.pairs(labels)}, and no pod has these labels",
            f'lab.kubectl("get pods -n {namespace} --show-labels")',
        )
    place = resources.namespace_of(fit[0])
    if place != namespace:
        return cause.shown(
            f"{title} selects pods of its own namespace only, which is {namespace}; the pods with "
            f"{objects.pairs(labels)} "
            f"are in {place}"
        )
    return cause.undecided(f"{title} finds pods with {objects.pairs(labels)}, and none of them is ready")


def unresolved(entry: Object) -> Cause | None:
    """A ServiceEntry whose endpoints are names that a DNS server has to know."""
    spec = objects.spec_of(entry)
    resolution = str(spec.get("resolution") or "NONE")
    if resolution == "NONE":
        return cause.shown(
            f"resolution of {objects.title(entry)} is NONE: the proxy sends on to the address that the caller has "
            "looked up, and no pod has it; STATIC with a workloadSelector finds pods"
        )
    if not resolution.startswith("DNS") or spec.get("workloadSelector"):
        return None
    named = [str(e.get("address", "")) for e in spec.get("endpoints") or []] or _hosts(entry)
    return cause.shown(
        f"resolution of {objects.title(entry)} is {spec['resolution']}, so the proxy asks DNS for {named[0]}, which "
        "no DNS "
        "server has to know; STATIC with a workloadSelector finds pods"
    )


def strange_endpoint(entry: Object, mesh: Objects) -> Cause | None:
    """An endpoint of a ServiceEntry at an address that no pod has."""
    pods = {(pod.get("status") or {}).get("podIP") for pod in mesh.pods}
    for endpoint in objects.spec_of(entry).get("endpoints") or []:
        if endpoint.get("address") not in pods:
            title, address = objects.title(entry), endpoint.get("address")
            return cause.shown(
                f"{title} has the endpoint {address}, which is no pod's address", "kubectl get pods -A -o wide"
            )
    return None


def closed_port(targets: list[Target], mesh: Objects) -> Cause | None:
    """An endpoint at a port that its pod does not name among its containers' ports."""
    for target in targets:
        for endpoint in target.endpoints:
            pod = mesh.pod_at(endpoint)
            port = endpoint.rpartition(":")[2]
            named = [
                str(p.get("containerPort"))
                for c in objects.spec_of(pod or {}).get("containers") or []
                for p in c.get("ports") or []
            ]
            if pod is not None and named and port not in named:
                entry = entry_of(target, mesh)
                what = objects.title(entry) if entry else f"Service {objects.short(target.host)}"
                return cause.shown(
                    f"{what} leads to port {port} of pod {resources.name_of(pod)}, which listens at "
                    f"{', '.join(named)}: "
                    "targetPort says where to ask"
                )
    return None
