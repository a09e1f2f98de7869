"""WorkloadEntry, the endpoints of a ServiceEntry, and WorkloadGroup."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, headers, names
from labkit.mesh.validation.findings import Finding, each, error, errors, sentence, warning
from labkit.mesh.validation.gotext import quoted

Part = Mapping[str, Any]

UNIX = "unix://"
_TIMES = ("periodSeconds", "initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold")


def workload_entry(obj: Object) -> Iterator[Finding]:
    """What Istio says of a WorkloadEntry."""
    yield from entry(obj.get("spec") or {}, None, may_be_name=True)


def entry(place: Part, defined: Set[str] | None, *, may_be_name: bool) -> Iterator[Finding]:
    """One endpoint; ``defined``: the port names of its ServiceEntry, if it stands in one."""
    address = place.get("address") or ""
    if not address:
        if not place.get("network"):
            yield error("address is required")
            return
        yield warning(f"address is unset with network {quoted(place['network'])}")
    is_socket = address.startswith(UNIX)
    if is_socket:
        yield from errors(names.unix_path(address.removeprefix(UNIX)))
        if place.get("ports"):
            yield error(f"unix endpoint {address} must not include ports")
    elif address and not addresses.is_ip(address):
        if not may_be_name:
            yield error(f"endpoint address {quoted(address)} is not a valid IP address")
        elif names.fqdn(address):
            yield error(f"endpoint address {quoted(address)} is not a valid FQDN or an IP address")
    yield from ports(place, defined)
    yield from names.labels(place.get("labels"))
    if is_socket and defined is not None and len(defined) != 1:
        yield error("exactly 1 service port required for unix endpoints")


def ports(place: Part, defined: Set[str] | None) -> Iterator[Finding]:
    """The ports of an endpoint by the names that the ServiceEntry gives them."""
    for name, number in sorted((place.get("ports") or {}).items()):
        if defined is not None and name not in defined:
            yield error(f"endpoint port {number} is not defined by the service entry")
        yield from errors(names.port_name(name), names.port(number))


def workload_group(obj: Object) -> Iterator[Finding]:
    """What Istio says of a WorkloadGroup."""
    spec = obj.get("spec") or {}
    if spec.get("template") is None:
        yield error("template is required")
        return
    if problem := sentence(names.labels((spec.get("metadata") or {}).get("labels"))):
        yield error(f"invalid labels: {problem}")
        return
    yield from _probe(spec.get("probe"))


def _probe(probe: Part | None) -> Iterator[Finding]:
    if probe is None:
        return
    yield from errors(*(f"{field} must be non-negative" for field in _TIMES if (probe.get(field) or 0) < 0))
    http, tcp, command = (probe.get(kind) for kind in ("httpGet", "tcpSocket", "exec"))
    if http is not None:
        yield from errors(names.port(http.get("port")))
        if http.get("scheme") not in (None, "", "HTTPS", "HTTP"):
            yield error('httpGet.scheme must be one of "HTTPS", "HTTP"')
        yield from errors(*(headers.plain(header.get("name", "")) for header in each(http.get("httpHeaders"))))
    elif tcp is not None:
        yield from errors(names.port(tcp.get("port")))
    elif command is not None:
        if not command.get("command"):
            yield error("exec.command is required")
    elif probe.get("grpc") is None:
        yield error("unknown health check method <nil>")
