"""Two objects that speak of the same thing: one of them is not heard, or nobody knows which."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import ERROR, WARNING, Message, on
from labkit.mesh.analysis.snapshot import MESH, Object, Snapshot, fqdn, full_name, listed, name_of, namespace_of


def virtual_services(objects: Snapshot) -> Iterator[Message]:
    """IST0109: VirtualServices of the mesh for one host."""
    by_host: dict[str, list[Object]] = defaultdict(list)
    for service in objects.of("VirtualService"):
        if MESH in snapshot.gateways_of(service):
            scope = namespace_of(service) if service["spec"].get("exportTo") == ["."] else "*"
            for host in dict.fromkeys(service["spec"].get("hosts") or []):
                by_host[f"{scope}/{fqdn(host, namespace_of(service))}"].append(service)
    for host, services in by_host.items():
        if len(services) < 2:
            continue
        names = ",".join(sorted(map(full_name, services)))
        for service in services:
            text = (
                f"The VirtualServices {names} associated with mesh gateway define the same host {host} which can lead "
                "to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single "
                "resource."
            )
            yield on(service, "IST0109", ERROR, text)


def unheard_subsets(objects: Snapshot) -> Iterator[Message]:
    """IST0140: a gateway's route leads to a host whose subsets only the mesh's own rules name."""
    inside = [s for s in objects.of("VirtualService") if snapshot.gateways_of(s) == [MESH]]
    for edge in objects.of("VirtualService"):
        if MESH in snapshot.gateways_of(edge):
            continue
        targets = {fqdn(d["host"], namespace_of(edge)) for d in snapshot.destinations(edge) if not d.get("subset")}
        for service in inside:
            hosts = {fqdn(host, namespace_of(service)) for host in service["spec"].get("hosts") or []}
            if hosts & targets and any(d.get("subset") for d in snapshot.destinations(service)):
                text = f"Subset in virtual service {full_name(service)} has no effect on ingress gateway "
                yield on(edge, "IST0140", WARNING, f"{text}{full_name(edge)} requests")


def gateways(objects: Snapshot) -> Iterator[Message]:
    """IST0145, gateways for the same selector, port and host; IST0138, one certificate in several."""
    doors = objects.of("Gateway")
    for door in doors:
        for server in door["spec"].get("servers") or []:
            others = [full_name(o) for o in doors if o is not door and _clashes(door, server, o)]
            if others:
                selector, port = listed(door["spec"].get("selector") or {}), (server.get("port") or {}).get("number")
                place = f"(workload selector {selector}, port {port}, hosts {','.join(server.get('hosts') or [])})"
                yield on(door, "IST0145", ERROR, f"Conflict with gateways {','.join(sorted(others))} {place}.")
        same = [full_name(o) for o in doors if o is not door and _certificates(door) & _certificates(o)]
        if same:
            names = " ".join([full_name(door), *same])
            text = f"Duplicate certificate in multiple gateways [{names}] may cause 404s if clients re-use HTTP2 "
            yield on(door, "IST0138", WARNING, f"{text}connections.")


def _clashes(door: Object, server: Object, other: Object) -> bool:
    if (door["spec"].get("selector") or {}) != (other["spec"].get("selector") or {}):
        return False
    number, hosts = (server.get("port") or {}).get("number"), set(server.get("hosts") or [])
    servers = other["spec"].get("servers") or []
    return any((s.get("port") or {}).get("number") == number and hosts & set(s.get("hosts") or []) for s in servers)


def _certificates(door: Object) -> set[tuple[str, str]]:
    selector = listed(door["spec"].get("selector") or {})
    servers = door["spec"].get("servers") or []
    names = {(s.get("tls") or {}).get("credentialName", "") for s in servers}
    return {(selector, name) for name in names if name}


def service_entries(objects: Snapshot) -> Iterator[Message]:
    """IST0177: ServiceEntries that give one port of a host different protocols."""
    ports: dict[tuple[str, int], list[tuple[Object, str]]] = defaultdict(list)
    for entry in objects.of("ServiceEntry"):
        for host in entry["spec"].get("hosts") or []:
            for port in entry["spec"].get("ports") or []:
                ports[host, port["number"]].append((entry, str(port.get("protocol", "")).upper()))
    for (host, number), entries in ports.items():
        protocols = sorted({protocol for _, protocol in entries})
        if len(protocols) < 2:
            continue
        names = ", ".join(full_name(entry) for entry, _ in entries)
        text = (
            f'Multiple ServiceEntries ({names}) define the same host "{host}" and port {number} with conflicting '
            f"protocols ({', '.join(protocols)})."
        )
        yield from (on(entry, "IST0177", WARNING, text) for entry, _ in entries)


def without_selector(objects: Snapshot) -> Iterator[Message]:
    """IST0111 and IST0160: several Sidecars or Telemetries for a whole namespace."""
    for kind, code in (("Sidecar", "IST0111"), ("Telemetry", "IST0160")):
        general: dict[str, list[Object]] = defaultdict(list)
        for obj in objects.of(kind):
            if not {"workloadSelector", "selector", "targetRef", "targetRefs"} & obj["spec"].keys():
                general[namespace_of(obj)].append(obj)
        for namespace, found in general.items():
            yield from _several(found, kind, code, namespace)


def _several(several: Sequence[Object], kind: str, code: str, namespace: str) -> Iterator[Message]:
    if len(several) < 2:
        return
    plural = "Telemetries" if kind == "Telemetry" else f"{kind}s"
    names = " ".join(sorted(map(name_of, several)))
    for obj in several:
        text = f'The {plural} [{names}] in namespace "{namespace}" have no workload selector, which can lead to '
        yield on(obj, code, ERROR, f"{text}undefined behavior.")


def sidecars(objects: Snapshot) -> Iterator[Message]:
    """IST0110: two Sidecars that select one pod."""
    selecting: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for sidecar in objects.of("Sidecar"):
        labels = (sidecar["spec"].get("workloadSelector") or {}).get("labels") or {}
        for pod in objects.pods(labels, namespace_of(sidecar)) if labels else []:
            selecting[namespace_of(sidecar), name_of(pod)].append(sidecar)
    for (namespace, selected), several in selecting.items():
        names = " ".join(sorted(map(name_of, several)))
        text = f'The Sidecars [{names}] in namespace "{namespace}" select the same workload pod "{selected}", '
        if len(several) > 1:
            yield from (on(s, "IST0110", ERROR, f"{text}which can lead to undefined behavior.") for s in several)
