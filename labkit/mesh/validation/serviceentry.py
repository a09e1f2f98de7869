"""ServiceEntry and WorkloadEntry."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import gateway, names
from labkit.mesh.validation.findings import Finding, each, error, errors, warning

PROTOCOLS = (*gateway.PROTOCOLS, "UDP", "")


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of a ServiceEntry."""
    spec = obj.get("spec") or {}
    resolution, endpoints = spec.get("resolution", "NONE"), each(spec.get("endpoints"))
    for host in spec.get("hosts") or []:
        problem = names.wildcard_domain(host)
        if problem:
            yield error(problem)
        elif resolution in ("DNS", "DNS_ROUND_ROBIN") and not endpoints and (problem := names.fqdn(host)):
            yield error(
                "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided "
                f"for resolution mode {resolution}, {problem}"
            )
    for address in spec.get("addresses") or []:
        if not names.is_network(address):
            yield error(f"{address} is not a valid IP address or CIDR range")
    ports = each(spec.get("ports"))
    yield from errors(
        f"unsupported protocol: {p['protocol']}" for p in ports if str(p.get("protocol", "")).upper() not in PROTOCOLS
    )
    known = {p.get("name") for p in ports}
    for endpoint in endpoints:
        yield from _address(endpoint)
        yield from errors(
            f"endpoint port {number} is not defined by the service entry"
            for name, number in sorted((endpoint.get("ports") or {}).items())
            if name not in known
        )
    if _needs_address(spec, ports):
        yield warning(
            "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled"
        )
    yield from errors(names.export_to(spec))


def _needs_address(spec: Mapping[str, Any], ports: list[Any]) -> bool:
    """Addresses are allocated by themselves wherever the resolution is not NONE."""
    is_tcp = any(str(p.get("protocol", "")).upper() in ("TCP", "") for p in ports)
    return is_tcp and not spec.get("addresses") and spec.get("resolution", "NONE") == "NONE"


def workload_entry(obj: Object) -> Iterator[Finding]:
    """What Istio says of a WorkloadEntry."""
    spec = obj.get("spec") or {}
    yield from _address(spec)
    yield from errors(names.labels(spec.get("labels")))


def _address(endpoint: Mapping[str, Any]) -> Iterator[Finding]:
    address = endpoint.get("address", "")
    if not address or names.is_ip(address):
        return
    if address.startswith("unix://"):
        path = address.removeprefix("unix://")
        if not path.startswith(("/", "@")):
            yield error(f'unix domain socket "{path}" is not an absolute path')
    elif names.fqdn(address):
        yield error(f'endpoint address "{address}" is not a valid FQDN or an IP address')
