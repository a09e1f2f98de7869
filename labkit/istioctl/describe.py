"""``istioctl experimental describe``: a pod or a Service, and the objects of Istio that have a say in its traffic."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.istioctl import targets
from labkit.istioctl.proxyconfig import dumps, summaries
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names, protocols

RULE = "-" * 20
PROXY = "istio-proxy"


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``describe``."""
    parser.add_argument("kind", choices=("pod", "po", "service", "svc"))
    parser.add_argument("name")
    parser.add_argument("--ignoreUnmeshed", action="store_true")
    parser.add_argument("--revision", default="")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Paragraphs about a pod, or about a Service as the gateway and a pod of it see it."""
    if arguments.kind in ("service", "svc"):
        return _service(session, arguments.name)
    pod = targets.pod(session, arguments.name)
    session.print(*_pod(pod))
    if not _has_proxy(pod):
        session.print("WARNING: " + resources.name_of(pod) + " is not part of mesh; no Istio sidecar")
        return 0
    for service in session.api.list(resources.SERVICES, resources.namespace_of(pod)):
        selector = service["spec"].get("selector") or {}
        if selector and selector.items() <= resources.labels_of(pod).items():
            session.print(RULE, *_lines_of_service(service, pod), *_rules(session, service, pod))
    session.print(RULE, *_authentication(session, pod))
    session.print(*_exposed(session, pod))
    return 0


def _service(session: Session, argument: str) -> int:
    name, namespace = targets.placed(session, argument)
    service = session.api.find(resources.SERVICES, name, namespace)
    if service is None:
        raise CommandError(f'services "{name}" not found\nNext: kubectl -n {namespace} get services')
    pods = [
        pod
        for pod in session.api.list(resources.PODS, namespace)
        if (selector := service["spec"].get("selector") or {}) and selector.items() <= resources.labels_of(pod).items()
    ]
    if not pods:
        session.print(f"Service: {name}", f"WARNING: no pods of {namespace}/{name}; its selector matches none")
        return 0
    session.print(*_lines_of_service(service, pods[0]), *_rules(session, service, pods[0]))
    session.print(*_exposed(session, pods[0]))
    return 0


def _pod(pod: Object) -> Iterator[str]:
    yield f"Pod: {resources.name_of(pod)}"
    revision = resources.annotations_of(pod).get("istio.io/rev", "default") if _has_proxy(pod) else ""
    if revision:
        yield f"   Pod Revision: {revision}"
    ports = [
        f"{port['containerPort']} ({container['name']})"
        for container in _containers(pod)
        for port in container.get("ports") or []
    ]
    yield f"   Pod Ports: {', '.join(ports)}" if ports else "   Pod does not expose ports"


def _containers(pod: Object) -> list[Object]:
    return [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]


def _has_proxy(pod: Object) -> bool:
    return any(container["name"] == PROXY for container in _containers(pod))


def _lines_of_service(service: Object, pod: Object) -> Iterator[str]:
    space = resources.namespace_of(service)
    yield f"Service: {resources.name_of(service)}" + (f".{space}" if space != "default" else "")
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        name, number = port.get("name", ""), port["port"]
        protocol = protocols.of_port(name, number, port.get("appProtocol"))
        word = "auto-detect" if protocol == protocols.UNKNOWN else protocol
        yield f"   Port: {name} {number}/{word} targets pod port {target}"
        exposed = {p["containerPort"] for c in _containers(pod) for p in c.get("ports") or []}
        if isinstance(target, int) and exposed and target not in exposed:
            yield f"   WARNING: Pod {resources.name_of(pod)} port {target} not exposed by Container"


def _rules(session: Session, service: Object, pod: Object) -> Iterator[str]:
    namespace = resources.namespace_of(service)
    host = names.full_host(resources.name_of(service), namespace)
    for rule in session.api.list(resources.DESTINATION_RULES):
        own = resources.namespace_of(rule)
        if names.full_host(rule["spec"].get("host", ""), own) == host:
            yield from _destination_rule(rule, pod)
    for virtual in session.api.list(resources.VIRTUAL_SERVICES):
        own = resources.namespace_of(virtual)
        is_for_mesh = "mesh" in (virtual["spec"].get("gateways") or ["mesh"])
        if is_for_mesh and host in [names.full_host(h, own) for h in virtual["spec"].get("hosts") or []]:
            yield from _virtual_service(virtual, host, pod, session)


def _destination_rule(rule: Object, pod: Object) -> Iterator[str]:
    yield f'DestinationRule: {resources.name_of(rule)} for "{rule["spec"].get("host")}"'
    subsets = rule["spec"].get("subsets") or []
    labels = resources.labels_of(pod)
    matching = [s["name"] for s in subsets if (s.get("labels") or {}).items() <= labels.items()]
    others = [s["name"] for s in subsets if s["name"] not in matching]
    if subsets:
        yield f"   Matching subsets: {','.join(matching)}" if matching else "   WARNING POD DOES NOT MATCH ANY SUBSETS."
        if others:
            yield f"      (Non-matching subsets {','.join(others)})"
    policy = rule["spec"].get("trafficPolicy") or {}
    if not policy:
        yield "   No Traffic Policy"
    elif policy.get("tls"):
        yield f"   Traffic Policy TLS Mode: {policy['tls'].get('mode')}"


def _virtual_service(virtual: Object, host: str, pod: Object, session: Session) -> Iterator[str]:
    yield f"VirtualService: {resources.name_of(virtual)}"
    rules = virtual["spec"].get("http") or []
    yield f"   {len(rules)} HTTP route(s)"
    for rule in rules:
        for route in rule.get("route") or []:
            destination = route.get("destination") or {}
            subset = f" (subset {destination['subset']})" if destination.get("subset") else ""
            weight = f" {route['weight']}%" if "weight" in route else ""
            yield f'   Route to host "{destination.get("host")}"{subset}{weight}'


def _authentication(session: Session, pod: Object) -> Iterator[str]:
    labels, namespace = resources.labels_of(pod), resources.namespace_of(pod)
    applying = []
    for policy in session.api.list(resources.PEER_AUTHENTICATIONS):
        space, selector = resources.namespace_of(policy), (policy.get("spec") or {}).get("selector")
        labels_of_policy = (selector or {}).get("matchLabels") or {}
        if space == namespace and labels_of_policy and labels_of_policy.items() <= labels.items():
            applying.append((0, policy))
        elif not labels_of_policy and space in (namespace, session.istio_namespace):
            applying.append((1 if space == namespace else 2, policy))
    yield "Effective PeerAuthentication:"
    modes = [((p.get("spec") or {}).get("mtls") or {}).get("mode", "UNSET") for _, p in sorted(applying, key=_rank)]
    yield f"   Workload mTLS mode: {next((m for m in modes if m != 'UNSET'), 'PERMISSIVE')}"
    if applying:
        yield "Applied PeerAuthentication:"
        yield "   " + ", ".join(
            f"{resources.name_of(p)}.{resources.namespace_of(p)}" for _, p in sorted(applying, key=_rank)
        )


def _rank(entry: tuple[int, Object]) -> int:
    return entry[0]


def _exposed(session: Session, pod: Object) -> Iterator[str]:
    """What the ingress gateways lead to the pod's Services."""
    services = {
        names.full_host(resources.name_of(s), resources.namespace_of(s))
        for s in session.api.list(resources.SERVICES, resources.namespace_of(pod))
        if (selector := s["spec"].get("selector") or {}) and selector.items() <= resources.labels_of(pod).items()
    }
    gateways = session.api.list(resources.PODS, session.istio_namespace, labels="istio=ingressgateway")
    if not services or not gateways:
        return
    dump = json.loads(session.envoy(gateways[0], "config_dump"))
    for table in dumps.routes(dump):
        for host in table.get("virtual_hosts", []):
            led = [r for r in host.get("routes", []) if services & set(_hosts(r))]
            by_source: dict[str, list[str]] = {}
            for route in led:
                source = dumps.managed_by(route.get("metadata"))
                by_source.setdefault(source, []).append(summaries.path(route.get("match") or {}))
            for source, paths in by_source.items():
                name = source.rpartition(".")[0]
                yield from (RULE, f"Exposed on Ingress Gateway, hosts {', '.join(host.get('domains', []))}")
                yield from (f"VirtualService: {name}", f"   {', '.join(paths)}")


def _hosts(route: Mapping[str, Any]) -> Iterator[str]:
    action = route.get("route") or {}
    clusters = [
        action.get("cluster", ""),
        *(c["name"] for c in (action.get("weighted_clusters") or {}).get("clusters", [])),
    ]
    yield from (cluster.rpartition("|")[2] for cluster in clusters)
