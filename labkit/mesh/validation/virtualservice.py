"""VirtualService."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import httproute, names, overlaps
from labkit.mesh.validation.findings import Finding, each, error, errors


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    if not any(spec.get(kind) for kind in ("http", "tcp", "tls")):
        yield error("http, tcp or tls must be provided in virtual service")
        return
    gateways = spec.get("gateways") or []
    hosts = spec.get("hosts") or []
    yield from errors(filter(None, (_gateway(name) for name in gateways)))
    yield from _hosts(hosts, in_mesh=not gateways or "mesh" in gateways)
    for rule in each(spec.get("http")):
        yield from httproute.findings(rule, gateways, is_delegate=not hosts)
    for rule in each(spec.get("tls")):
        yield from _tls(rule, hosts)
    for rule in each(spec.get("tcp")):
        yield from _tcp(rule)
    yield from errors(names.export_to(spec))
    yield from overlaps.findings(each(spec.get("http")))


def _gateway(name: str) -> str:
    if name == "mesh":
        return ""
    namespace, slash, own = name.partition("/")
    if not slash:
        return names.fqdn(name)
    if not namespace or not own:
        return "config namespace and gateway name cannot be empty"
    if not names.is_label(namespace):
        return f'invalid value for namespace: "{namespace}"'
    return "" if names.is_label(own) else f'invalid value for gateway name: "{own}"'


def _hosts(hosts: list[str], *, in_mesh: bool) -> Iterator[Finding]:
    for host in hosts:
        problem = names.wildcard_domain(host)
        if problem and not names.is_ip(host):
            yield error(problem)
        elif host == "*" and in_mesh:
            yield error("wildcard host * is not allowed for virtual services bound to the mesh gateway")
    for at, host in enumerate(hosts):
        if host in hosts[:at]:
            yield error(f"duplicate hosts in virtual service: {host} & {host}")


def _tls(rule: Mapping[str, Any], hosts: list[str]) -> Iterator[Finding]:
    for match in each(rule.get("match")):
        for name in match.get("sniHosts") or []:
            if problem := names.wildcard_domain(name):
                yield error(problem)
            elif hosts and not any(names.contains(host, name) for host in hosts):
                shown = " ".join(hosts)
                yield error(
                    f'SNI host "{name}" is not a compatible subset of any of the virtual service hosts: [{shown}]'
                )
        yield from _where(match)
    if not rule.get("route"):
        yield error("TLS route is required")
    yield from httproute.destinations(each(rule.get("route")))


def _tcp(rule: Mapping[str, Any]) -> Iterator[Finding]:
    for match in each(rule.get("match")):
        yield from _where(match)
    if not rule.get("route"):
        yield error("TCP route is required")
    yield from httproute.destinations(each(rule.get("route")))


def _where(match: Mapping[str, Any]) -> Iterator[Finding]:
    for network in match.get("destinationSubnets") or []:
        if not names.is_network(network):
            yield error(f"{network} is not a valid CIDR block")
    if match.get("port"):
        yield from errors(filter(None, [names.port(match["port"])]))
    yield from errors(names.labels(match.get("sourceLabels")))
    yield from errors(filter(None, (_gateway(name) for name in match.get("gateways") or [])))
