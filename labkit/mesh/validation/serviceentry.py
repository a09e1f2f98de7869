"""ServiceEntry."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, exports, names, selectors, workloads
from labkit.mesh.validation.findings import Finding, each, error, errors, warning
from labkit.mesh.validation.gotext import quoted

Part = Mapping[str, Any]

_WITHOUT_ADDRESSES = (
    "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled"
)
_SEVERAL_HOSTS = "service entry can not have more than one host specified simultaneously with address and tcp port"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from selectors.of_workload(spec, "service entry")
    if spec.get("workloadSelector") is not None and spec.get("endpoints"):
        yield error("only one of WorkloadSelector or Endpoints is allowed in Service Entry")
    yield from _hosts(spec.get("hosts") or [])
    resolution = spec.get("resolution", "NONE")
    networks = spec.get("addresses") or []
    yield from errors(*map(addresses.subnet, networks))
    if any("/" in network for network in networks) and resolution not in ("NONE", "STATIC"):
        yield error("CIDR addresses are allowed only for NONE/STATIC resolution types")
    yield from _ports(spec, resolution)
    yield from _resolution(spec, resolution)
    yield from _several_hosts(spec, resolution)
    yield from exports.findings(spec, resources.namespace_of(obj))


def _hosts(hosts: list[str]) -> Iterator[Finding]:
    if not hosts:
        yield error("service entry must have at least one host")
    for host in hosts:
        yield from errors(f"invalid host {host}" if host == "*" else names.wildcard_domain(host))
        if problem := names.partial_wildcard(host):
            yield warning(problem)


def _ports(spec: Part, resolution: str) -> Iterator[Finding]:
    seen: set[str] = set()
    numbers: set[int] = set()
    # Istio allocates addresses by itself wherever names are resolved.
    needs_address = resolution == "NONE" and not spec.get("addresses")
    for port in each(spec.get("ports")):
        name, number, protocol = port.get("name", ""), port.get("number") or 0, port.get("protocol") or ""
        if name in seen:
            yield error(f"service entry port name {quoted(name)} already defined")
        if number in numbers:
            yield error(f"service entry port {number} already defined")
        seen.add(name)
        numbers.add(number)
        if port.get("targetPort"):
            yield from errors(names.port(port["targetPort"]))
        if needs_address and protocol in ("", "TCP"):
            yield warning(_WITHOUT_ADDRESSES)
        yield from errors(names.port_name(name), names.protocol(protocol), names.port(number))


def _resolution(spec: Part, resolution: str) -> Iterator[Finding]:
    endpoints, hosts = each(spec.get("endpoints")), spec.get("hosts") or []
    defined = {port.get("name", "") for port in each(spec.get("ports"))}
    selects = spec.get("workloadSelector") is not None
    if resolution == "NONE":
        if endpoints:
            yield error("no endpoints should be provided for resolution type none")
        if selects:
            yield warning("workloadSelector should not be set when resolution mode is NONE")
    elif resolution == "STATIC":
        for endpoint in endpoints:
            yield from workloads.entry(endpoint, defined, may_be_name=False)
    elif resolution == "DYNAMIC_DNS":
        if any(not host.startswith("*") for host in hosts):
            yield error("host must be wildcarded for resolution mode DYNAMIC_DNS")
    else:
        yield from _resolved(spec, resolution)
        if selects:
            yield warning(f"workloadSelector should not be set when resolution mode is {resolution}")
        is_tcp = any((p.get("protocol") or "").lower() in names.TCP_PROTOCOLS for p in each(spec.get("ports")))
        if spec.get("addresses") and is_tcp and len(hosts) > 1:
            yield warning(_SEVERAL_HOSTS)


def _resolved(spec: Part, resolution: str) -> Iterator[Finding]:
    endpoints = each(spec.get("endpoints"))
    defined = {port.get("name", "") for port in each(spec.get("ports"))}
    for host in () if endpoints else spec.get("hosts") or ():
        if problem := names.fqdn(host):
            title = "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided"
            yield error(f"{title} for resolution mode {resolution}, {problem}")
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        yield error(f"there must only be 0 or 1 endpoint for resolution mode {resolution}")
    for endpoint in endpoints:
        address = endpoint.get("address") or ""
        if not addresses.is_ip(address) and names.fqdn(address):
            yield error(f"endpoint address {quoted(address)} is not a valid FQDN or an IP address")
        yield from names.labels(endpoint.get("labels"))
        yield from workloads.ports(endpoint, defined)


def _several_hosts(spec: Part, resolution: str) -> Iterator[Finding]:
    """Plain TCP does not tell hosts apart."""
    told = names.HTTP_PROTOCOLS | names.TLS_PROTOCOLS
    is_plain = any((port.get("protocol") or "").lower() not in told for port in each(spec.get("ports")))
    if is_plain and resolution != "NONE" and len(spec.get("hosts") or []) > 1:
        yield error("multiple hosts provided with non-HTTP, non-TLS ports")
