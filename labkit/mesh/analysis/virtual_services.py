"""VirtualServices: what they name must exist, and must not be somebody else's."""

from collections import defaultdict
from collections.abc import Iterator

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import ERROR, NAME, WARNING, Message, Path, not_there, on
from labkit.mesh.analysis.snapshot import MESH, Object, Snapshot, fqdn, full_name, namespace_of

CLAIM = "@request.auth.claims"


def gateways(objects: Snapshot) -> Iterator[Message]:
    """IST0101, a Gateway that is not there; IST0132, one that does not serve the hosts."""
    doors = {full_name(door): door for door in objects.of("Gateway")}
    for service in objects.of("VirtualService"):
        hosts = service["spec"].get("hosts") or []
        for at, written in enumerate(service["spec"].get("gateways") or []):
            if written == MESH:
                continue
            name = snapshot.gateway_name(written, service)
            if name not in doors:
                yield not_there(service, "gateway", written, ("spec", "gateways", at))
            if not _serves(doors.get(name), hosts, namespace_of(service)):
                text = f"one or more host [{' '.join(hosts)}] defined in VirtualService {full_name(service)} "
                yield on(service, "IST0132", WARNING, f"{text}not found in Gateway {name}.", ("spec", "hosts", 0))


def _serves(door: Object | None, hosts: list[str], namespace: str) -> bool:
    if door is None:
        return False
    servers = door["spec"].get("servers") or []
    for written in (host for server in servers for host in server.get("hosts") or []):
        space, _, served = written.rpartition("/")
        space = namespace_of(door) if space == "." else space
        if space in ("", "*", namespace) and any(snapshot.overlap(served, host) for host in hosts):
            return True
    return False


def subsets(objects: Snapshot) -> Iterator[Message]:
    """IST0101: subsets that no DestinationRule has."""
    defined = {
        (fqdn(rule["spec"].get("host", ""), namespace_of(rule)), subset["name"])
        for rule in objects.of("DestinationRule")
        for subset in rule["spec"].get("subsets") or []
    }
    for service in objects.of("VirtualService"):
        for path, destination in [*snapshot.destinations(service), *snapshot.mirrors(service)]:
            host, subset = destination["host"], destination.get("subset")
            if subset and (fqdn(host, namespace_of(service)), subset) not in defined:
                yield not_there(service, "host+subset in destinationrule", f"{host}+{subset}", (*path, "host"))


def hosts(objects: Snapshot) -> Iterator[Message]:
    """IST0101, hosts and ports of routes and mirrors; IST0112, a port that must be named."""
    for service in objects.of("VirtualService"):
        for path, destination in snapshot.destinations(service):
            yield from _host(service, destination, objects, "host", path)
        for path, mirror in snapshot.mirrors(service):
            yield from _host(service, mirror, objects, "mirror host", path)


def _host(service: Object, destination: Object, objects: Snapshot, what: str, path: Path) -> Iterator[Message]:
    host = destination["host"]
    ports = objects.ports(host, namespace_of(service), service["spec"].get("exportTo") or [])
    if ports is None:
        yield not_there(service, what, host, (*path, "host"))
        return
    number = (destination.get("port") or {}).get("number")
    if number and number not in ports:
        yield not_there(service, "host:port", f"{host}:{number}", (*path, "host"))
    if not number and len(ports) > 1:
        text = f'This VirtualService routes to a service "{host}" that exposes multiple ports '
        numbers = f"[{' '.join(map(str, ports))}]. Specifying a port in the destination is required to disambiguate."
        yield on(service, "IST0112", ERROR, text + numbers, (*path, "host"))


def unheard_subsets(objects: Snapshot) -> Iterator[Message]:
    """IST0140: a gateway's route leads to a host whose subsets only the host's own rules name."""
    # Istio compares the hosts as they are written.
    choosing = [
        (service, destination["host"])
        for service in objects.of("VirtualService")
        for _, destination in snapshot.http_destinations(service)
        if destination.get("subset") and destination["host"] in (service["spec"].get("hosts") or [])
    ]
    for edge in objects.of("VirtualService"):
        if not edge["spec"].get("gateways"):
            continue
        for path, destination in snapshot.http_destinations(edge):
            for service, host in choosing:
                if not destination.get("subset") and destination["host"] == host:
                    text = f"Subset in virtual service {full_name(service)} has no effect on ingress gateway "
                    yield on(edge, "IST0140", WARNING, f"{text}{full_name(edge)} requests", (*path, "host"))


def conflicts(objects: Snapshot) -> Iterator[Message]:
    """IST0109: VirtualServices of the mesh for one host."""
    by_host: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for service in objects.of("VirtualService"):
        if MESH not in snapshot.gateways_of(service):
            continue
        exports = service["spec"].get("exportTo") or ["*"]
        scope = "*" if "*" in exports else namespace_of(service)
        for host in dict.fromkeys(service["spec"].get("hosts") or []):
            by_host[scope, fqdn(host, namespace_of(service))].append(service)
    for (scope, host), services in by_host.items():
        both = services if scope == "*" else [*services, *by_host.get(("*", host), ())]
        names = ",".join(sorted(map(full_name, both)))
        text = (
            f"The VirtualServices {names} associated with mesh gateway define the same host {scope}/{host} which can "
            "lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single "
            "resource."
        )
        yield from (on(service, "IST0109", ERROR, text, NAME) for service in both if len(both) > 1)


def claims(objects: Snapshot) -> Iterator[Message]:
    """IST0149: routing by a claim where no RequestAuthentication checks the gateway's tokens."""
    doors = {full_name(door): door for door in objects.of("Gateway")}
    for service in objects.of("VirtualService"):
        key = next(_claims(service), "")
        for name in snapshot.gateways_of(service) if key else ():
            selector = (doors.get(name) or {"spec": {}})["spec"].get("selector") or {}
            for pod in objects.pods(selector) if name in doors else ():
                if not any(_authenticates(policy, pod) for policy in objects.of("RequestAuthentication")):
                    text = (
                        f"The virtual service uses the JWT claim based routing (key: {key}) but found no request "
                        f"authentication for the gateway ({name}) pod ({snapshot.name_of(pod)}). The request "
                        "authentication must first be applied for the gateway pods to validate the JWT token and make "
                        "the claims available for routing."
                    )
                    yield on(service, "IST0149", ERROR, text)


def _claims(service: Object) -> Iterator[str]:
    for rule in service["spec"].get("http") or []:
        for match in rule.get("match") or []:
            for headers in (match.get("headers") or {}, match.get("withoutHeaders") or {}):
                yield from (header for header in headers if header.startswith(CLAIM))


def _authenticates(policy: Object, pod: Object) -> bool:
    labels = (policy["spec"].get("selector") or {}).get("matchLabels") or {}
    is_near = namespace_of(policy) in (snapshot.ROOT, namespace_of(pod))
    return is_near and labels.items() <= snapshot.labels_of(pod).items()
