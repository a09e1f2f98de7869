"""IST0101 and its kin: an object names another one, or pods, that are not there."""

from collections.abc import Iterator

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import ERROR, WARNING, Message, not_there, on
from labkit.mesh.analysis.snapshot import MESH, ROOT, Object, Snapshot, fqdn, full_name, listed, namespace_of


def virtual_services(objects: Snapshot) -> Iterator[Message]:
    """Gateways, hosts, ports, subsets and mirrors of VirtualServices."""
    subsets = set(_subsets(objects))
    for service in objects.of("VirtualService"):
        yield from _gateways(service, objects)
        for destination in snapshot.destinations(service):
            yield from _host(service, destination, objects, what="host")
        for mirror in snapshot.mirrors(service):
            yield from _host(service, mirror, objects, what="mirror host")
        named = [*snapshot.destinations(service), *snapshot.mirrors(service)]
        for host, subset in dict.fromkeys((d["host"], d["subset"]) for d in named if d.get("subset")):
            if (fqdn(host, namespace_of(service)), subset) not in subsets:
                yield not_there(service, "host+subset in destinationrule", f"{host}+{subset}")


def _subsets(objects: Snapshot) -> Iterator[tuple[str, str]]:
    for rule in objects.of("DestinationRule"):
        host = fqdn(rule["spec"].get("host", ""), namespace_of(rule))
        yield from ((host, subset["name"]) for subset in rule["spec"].get("subsets") or [])


def _gateways(service: Object, objects: Snapshot) -> Iterator[Message]:
    hosts = service["spec"].get("hosts") or []
    doors = {full_name(door): door for door in objects.of("Gateway")}
    for written, name in zip(service["spec"].get("gateways") or [], snapshot.gateways_of(service), strict=False):
        if name == MESH:
            continue
        if name not in doors:
            yield not_there(service, "gateway", written)
        served = _served(doors.get(name))
        if hosts and not any(snapshot.covers(one, h) or snapshot.covers(h, one) for h in hosts for one in served):
            text = f"one or more host [{' '.join(hosts)}] defined in VirtualService {full_name(service)} "
            yield on(service, "IST0132", WARNING, f"{text}not found in Gateway {name}.")


def _served(door: Object | None) -> list[str]:
    servers = (door or {"spec": {}})["spec"].get("servers") or []
    return [host.rpartition("/")[2] for server in servers for host in server.get("hosts") or []]


def _host(service: Object, destination: Object, objects: Snapshot, *, what: str) -> Iterator[Message]:
    host, namespace = destination["host"], namespace_of(service)
    if not objects.knows(host, namespace):
        yield not_there(service, what, host)
        return
    kubernetes = objects.service(host, namespace)
    number = (destination.get("port") or {}).get("number")
    if kubernetes and number and number not in [p["port"] for p in kubernetes["spec"].get("ports") or []]:
        yield not_there(service, "host:port", f"{host}:{number}")


def gateways(objects: Snapshot) -> Iterator[Message]:
    """Gateways that select no pod, and certificates that are not there."""
    secrets = objects.names("Secret")
    for door in objects.of("Gateway"):
        selector = door["spec"].get("selector") or {}
        pods = objects.pods(selector)
        if selector and not pods:
            yield not_there(door, "selector", listed(selector))
        for server in door["spec"].get("servers") or []:
            name = (server.get("tls") or {}).get("credentialName", "")
            if name and pods and not any(f"{namespace_of(pod)}/{name}" in secrets for pod in pods):
                yield not_there(door, "credentialName", name)


def sidecars(objects: Snapshot) -> Iterator[Message]:
    """Sidecars that select no pod."""
    for sidecar in objects.of("Sidecar"):
        selector = (sidecar["spec"].get("workloadSelector") or {}).get("labels") or {}
        if selector and not objects.pods(selector, namespace_of(sidecar)):
            yield not_there(sidecar, "selector", listed(selector))


def policies(objects: Snapshot) -> Iterator[Message]:
    """AuthorizationPolicies for no pod, or from a namespace that is not there."""
    names = {snapshot.name_of(namespace) for namespace in objects.of("Namespace")}
    for policy in objects.of("AuthorizationPolicy"):
        selector = (policy["spec"].get("selector") or {}).get("matchLabels") or {}
        everywhere = "" if namespace_of(policy) == ROOT else namespace_of(policy)
        if selector and not objects.pods(selector, everywhere):
            text = f"No matching workloads for this resource with the following labels: {listed(selector)}"
            yield on(policy, "IST0127", WARNING, text)
        for name in _namespaces(policy):
            if "*" not in name and name not in names:
                yield not_there(policy, "namespace", name)


def _namespaces(policy: Object) -> Iterator[str]:
    for rule in policy["spec"].get("rules") or []:
        for source in rule.get("from") or []:
            for key in ("namespaces", "notNamespaces"):
                yield from (source.get("source") or {}).get(key) or []


def destination_rules(objects: Snapshot) -> Iterator[Message]:
    """DestinationRules for no host, subsets of no pod, TLS that checks nobody."""
    for rule in objects.of("DestinationRule"):
        host, namespace = rule["spec"].get("host", ""), namespace_of(rule)
        service = objects.service(host, namespace)
        if "*" not in host and not objects.knows(host, namespace):
            text = f"The host {host} defined in the DestinationRule does not match any services in the mesh."
            yield on(rule, "IST0174", WARNING, text)
        yield from _empty_subsets(rule, service, objects)
        tls = (rule["spec"].get("trafficPolicy") or {}).get("tls") or {}
        if tls.get("mode") in ("SIMPLE", "MUTUAL") and not (tls.get("caCertificates") or tls.get("credentialName")):
            text = (
                f"DestinationRule {full_name(rule)} in namespace {namespace} has TLS mode set to {tls['mode']} but no "
                f"caCertificates are set to validate server identity for host: {host}"
            )
            yield on(rule, "IST0128", WARNING, text)


def _empty_subsets(rule: Object, service: Object | None, objects: Snapshot) -> Iterator[Message]:
    # Any pod of the namespace with these labels counts, also one of another Service: so does Istio's analyzer.
    if not service or not service["spec"].get("selector"):
        return
    for subset in rule["spec"].get("subsets") or []:
        labels = subset.get("labels") or {}
        if labels and not objects.pods(labels, namespace_of(service)):
            text = f"The Subset {subset['name']} defined in the DestinationRule does not select any pods. "
            yield on(rule, "IST0173", ERROR, f"{text}Which may lead to 503 UH (NoHealthyUpstream).")
