"""VirtualService."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, destinations, exports, headers, httproute, names, overlaps
from labkit.mesh.validation.findings import Finding, each, error, errors, warning
from labkit.mesh.validation.gotext import quoted

MESH = "mesh"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    gateways, hosts = spec.get("gateways") or [], spec.get("hosts") or []
    http, tls, tcp = (each(spec.get(kind)) for kind in ("http", "tls", "tcp"))
    if not hosts:
        yield from _delegate(spec)
    yield from names.gateways(gateways)
    is_for_gateways = bool(gateways) and MESH not in gateways
    if not is_for_gateways:
        yield from _claims(http, gateways)
    yield from _hosts(hosts, is_for_gateways=is_for_gateways)
    if not (http or tls or tcp):
        yield error("http, tcp or tls must be provided in virtual service")
    for rule in http:
        yield from httproute.findings(rule, is_delegate=not hosts)
    for rule in tls:
        yield from _tls(rule, hosts)
    for rule in tcp:
        yield from _tcp(rule)
    yield from exports.findings(spec, resources.namespace_of(obj))
    yield from overlaps.of_http(http)
    yield from overlaps.of_connections(tcp)
    yield from overlaps.of_connections(tls)


def _delegate(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """One without hosts has its rules used by others."""
    if spec.get("gateways"):
        yield error("delegate virtual service must have no gateways specified")
    for kind in ("tls", "tcp"):
        if spec.get(kind):
            yield error(f"delegate virtual service must have no {kind} route specified")


def _claims(rules: list[Any], gateways: list[str]) -> Iterator[Finding]:
    """Only gateways route by the claims of a token."""
    for match in (match for rule in rules for match in each(rule.get("match"))):
        for field in ("headers", "withoutHeaders"):
            for name in filter(headers.is_claim, sorted(match.get(field) or {})):
                title = f"JWT claim based routing (key: {name})"
                yield error(f"{title} is only supported for gateway, found no gateways: [{' '.join(gateways)}]")


def _hosts(hosts: list[str], *, is_for_gateways: bool) -> Iterator[Finding]:
    problems = []
    for host in hosts:
        problem = names.wildcard_domain(host)
        if problem and not addresses.is_ip(host):
            problems.append(problem)
        elif host == "*" and not is_for_gateways:
            problems.append("wildcard host * is not allowed for virtual services bound to the mesh gateway")
    yield from errors(*problems)
    if not problems:
        for at, host in enumerate(hosts):
            for other in hosts[at + 1 :]:
                if names.overlap(host, other):
                    yield error(f"duplicate hosts in virtual service: {host} & {other}")


def _tls(rule: Mapping[str, Any], hosts: list[str]) -> Iterator[Finding]:
    if not rule.get("match"):
        yield error("TLS route must have at least one match condition")
    for match in each(rule.get("match")):
        if not match.get("sniHosts"):
            yield error("TLS match must have at least one SNI host")
        for name in match.get("sniHosts") or []:
            yield from _server_name(name, hosts)
        yield from _connections(match)
    if not rule.get("route"):
        yield error("TLS route is required")
    yield from destinations.weighted(each(rule.get("route")))


def _server_name(name: str, hosts: list[str]) -> Iterator[Finding]:
    if problem := names.wildcard_domain(name):
        if addresses.is_ip(name):
            yield warning(
                f"using an IP address ({quoted(name)}) goes against SNI spec and most clients do not support this"
            )
        else:
            yield error(problem)
    elif not any(names.covers(host, name) for host in hosts):
        yield error(
            f"SNI host {quoted(name)} is not a compatible subset of any of the virtual service hosts: "
            f"[{', '.join(hosts)}]"
        )


def _tcp(rule: Mapping[str, Any]) -> Iterator[Finding]:
    for match in each(rule.get("match")):
        yield from _connections(match)
    if not rule.get("route"):
        yield error("TCP route is required")
    yield from destinations.weighted(each(rule.get("route")))


def _connections(match: Mapping[str, Any]) -> Iterator[Finding]:
    yield from errors(*(addresses.subnet(network) for network in match.get("destinationSubnets") or []))
    if match.get("port"):
        yield from errors(names.port(match["port"]))
    yield from names.labels(match.get("sourceLabels"))
    yield from names.gateways(match.get("gateways"))
