"""Rules for services and their endpoints."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed, needed_one_of, one_of

MOST_HINTS = 8

_PODS = ipaddress.ip_network("127.64.0.0/10"), ipaddress.ip_network("127.128.0.0/9")
"""Loopback as it is, for here pods live in it (``sandbox.network.addresses``)."""

_LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
_NO_ENDPOINT = (
    ("is_loopback", _LOOPBACK),
    ("is_unspecified", "may not be unspecified (0.0.0.0 or ::)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
    ("is_multicast", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
)

_LONGEST_AFFINITY = 86400
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "ServiceSpec": {
        "selector": (checks.label_set,),
        "type": (needed_one_of("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),),
        "internalTrafficPolicy": (checks.word("Cluster", "Local"),),
        "trafficDistribution": (checks.word("PreferClose", "PreferSameZone", "PreferSameNode"),),
    },
}


def _service(service: Object) -> Iterator[Cause]:
    spec = service["spec"]
    kind, ports, headless = spec.get("type"), spec.get("ports") or (), _is_headless(spec)
    if kind != "ExternalName" and not ports and not headless:
        yield causes.required("spec.ports")
    if kind in ("NodePort", "LoadBalancer") and headless:
        yield causes.wrong("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _external_name(spec)
    yield from _ports(ports)
    yield from _affinity(spec)
    yield from families(service)
    for at, address in enumerate(spec.get("externalIPs") or ()):
        yield from _endpoint_address(address, f"spec.externalIPs[{at}]")
    for at, port in enumerate(ports):
        if port.get("nodePort") and kind == "ClusterIP":
            yield causes.forbidden(f"spec.ports[{at}].nodePort", "may not be used when `type` is 'ClusterIP'")
    yield from _repeated_ports(ports)
    yield from _balancer(spec)
    yield from _external_traffic(spec)


def _is_headless(spec: Object) -> bool:
    return spec.get("clusterIP") == "None" or (spec.get("clusterIPs") or [""])[0] == "None"


def _external_name(spec: Object) -> Iterator[Cause]:
    for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(field) or (field == "clusterIPs" and spec.get("clusterIP")):
            yield causes.forbidden(f"spec.{field}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    yield from needed()(name, "spec.externalName")
    yield from form(names.subdomain)(name, "spec.externalName")


def _ports(ports: Any) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, port in enumerate(ports):
        here, name = f"spec.ports[{at}]", port.get("name") or ""
        if not name and len(ports) > 1:
            yield causes.required(f"{here}.name")
        elif name:
            yield from form(names.label)(name, f"{here}.name")
            if name in seen:
                yield causes.duplicate(f"{here}.name", name)
            seen.add(name)
        yield from checks.port_number(port.get("port"), f"{here}.port")
        yield from needed_one_of("SCTP", "TCP", "UDP")(port.get("protocol"), f"{here}.protocol")
        yield from checks.port(port.get("targetPort"), f"{here}.targetPort")
        if port.get("appProtocol") is not None:
            for problem in names.qualified(port["appProtocol"]):
                yield causes.wrong(f"{here}.appProtocol", port["appProtocol"], problem)


def _repeated_ports(ports: Any) -> Iterator[Cause]:
    for field, shown in (("nodePort", None), ("port", "ServicePort")):
        seen: set[tuple[Any, Any]] = set()
        for at, port in enumerate(ports):
            identity = port.get("protocol"), port.get(field) or 0
            if field == "nodePort" and not identity[1]:
                continue
            if identity in seen and shown:
                bare = {"protocol": port.get("protocol"), "port": port.get("port")}
                yield causes.duplicate(f"spec.ports[{at}]", gonames.internal(shown, bare))
            elif identity in seen:
                yield causes.duplicate(f"spec.ports[{at}].nodePort", identity[1])
            seen.add(identity)


def _affinity(spec: Object) -> Iterator[Cause]:
    kind, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    yield from needed_one_of("ClientIP", "None")(kind, "spec.sessionAffinity")
    if kind == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is not None and not 0 < seconds <= _LONGEST_AFFINITY:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield causes.wrong(path, seconds, f"must be greater than 0 and less than {_LONGEST_AFFINITY}")
    elif kind == "None" and config is not None:
        yield causes.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")


def families(service: Object) -> Iterator[Cause]:
    """Cluster IPs and their families: of a new Service they are judged before all else, when addresses are given."""
    spec = service["spec"]
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    if spec.get("type") == "ExternalName":
        return
    if spec.get("clusterIP") and addresses[0] != spec["clusterIP"]:
        yield causes.wrong("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    elif addresses and not spec.get("clusterIP"):
        yield causes.wrong("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    given: list[Any] = spec.get("ipFamilies") or []
    for at, family in enumerate(given):
        yield from one_of("IPv4", "IPv6", optional=False)(family, f"spec.ipFamilies[{at}]")
        if family in given[:at]:
            yield causes.duplicate(f"spec.ipFamilies[{at}]", family)
    yield from checks.word(*_FAMILY_POLICIES)(spec.get("ipFamilyPolicy"), "spec.ipFamilyPolicy")
    is_free = addresses[:1] == ["None"] and not spec.get("selector")
    if spec.get("ipFamilyPolicy") == "RequireDualStack" and not is_free:
        detail = "this cluster is not configured for dual-stack services"
        yield causes.wrong("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], detail)
    for at, family in enumerate(given):
        if family == "IPv6" and not is_free:
            yield causes.wrong(f"spec.ipFamilies[{at}]", family, "not configured on this cluster")
    is_readable = True
    for at, address in enumerate(addresses):
        if at == 0 and address == "None":
            if len(addresses) > 1:
                is_readable = False
                yield causes.wrong("spec.clusterIPs", addresses, "'None' must be the first and only value")
            continue
        for problem in names.ip(address):
            is_readable = False
            yield causes.wrong(f"spec.clusterIPs[{at}]", address, problem)
    if len(addresses) > 2:
        yield causes.wrong("spec.clusterIPs", addresses, "may only hold up to 2 values")
    if is_readable and not _is_headless(spec):
        yield from _one_each(addresses, given)


def _one_each(addresses: list[str], given: list[Any]) -> Iterator[Cause]:
    versions = [ipaddress.ip_address(address).version for address in addresses]
    if len(versions) > 1 and set(versions) != {4, 6}:
        detail = "may specify no more than one IP for each IP family"
        yield causes.wrong("spec.clusterIPs", addresses, detail)
    for at, (address, version) in enumerate(zip(addresses, versions, strict=True)):
        if at < len(given) and given[at] in ("IPv4", "IPv6") and given[at] != f"IPv{version}":
            detail = f"expected an {given[at]} value as indicated by `ipFamilies[{at}]`"
            yield causes.wrong(f"spec.clusterIPs[{at}]", address, detail)


def _balancer(spec: Object) -> Iterator[Cause]:
    is_balancer, only = spec.get("type") == "LoadBalancer", "may only be used when `type` is 'LoadBalancer'"
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and not is_balancer:
        yield causes.forbidden("spec.LoadBalancerSourceRanges", only)
    for at, block in enumerate(ranges):
        for problem in names.cidr(block.strip()):
            yield causes.wrong(f"spec.LoadBalancerSourceRanges[{at}]", block.strip(), problem)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        yield causes.forbidden("spec.allocateLoadBalancerNodePorts", only)
    chosen = spec.get("loadBalancerClass")
    if chosen is not None and not is_balancer:
        yield causes.forbidden("spec.loadBalancerClass", only)
    elif chosen is not None:
        for problem in names.qualified(chosen):
            yield causes.wrong("spec.loadBalancerClass", chosen, problem)


def _external_traffic(spec: Object) -> Iterator[Cause]:
    kind, policy, path = spec.get("type"), spec.get("externalTrafficPolicy") or "", "spec.externalTrafficPolicy"
    is_open = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if not is_open:
        if policy:
            yield causes.wrong(path, policy, "may only be set for externally-accessible services")
    else:
        yield from needed_one_of("Cluster", "Local")(policy, path)
    if spec.get("healthCheckNodePort") and not (kind == "LoadBalancer" and policy == "Local"):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield causes.wrong("spec.healthCheckNodePort", spec["healthCheckNodePort"], detail)


def _endpoint_address(address: str, path: str) -> Iterator[Cause]:
    complaints = names.ip(address)
    for problem in complaints:
        yield causes.wrong(path, address, problem)
    if not complaints:
        parsed = ipaddress.ip_address(address)
        if any(parsed in pods for pods in _PODS):
            return
        for trait, problem in _NO_ENDPOINT:
            if getattr(parsed, trait):
                yield causes.wrong(path, address, problem)
                return


def _slice(endpoint_slice: Object) -> Iterator[Cause]:
    kind = endpoint_slice.get("addressType")
    yield from needed_one_of("FQDN", "IPv4", "IPv6")(kind, "addressType")
    seen: set[str] = set()
    for at, port in enumerate(endpoint_slice.get("ports") or ()):
        name, here = port.get("name") or "", f"ports[{at}]"
        yield from form(names.label)(name, f"{here}.name")
        if name in seen:
            yield causes.duplicate(f"{here}.name", name)
        seen.add(name)
        yield from needed_one_of("SCTP", "TCP", "UDP")(port.get("protocol"), f"{here}.protocol")
        if port.get("appProtocol") is not None:
            for problem in names.qualified(port["appProtocol"]):
                yield causes.wrong(f"{here}.appProtocol", port["appProtocol"], problem)
    for at, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        for field, shape in (("nodeName", names.subdomain), ("hostname", names.label)):
            if endpoint.get(field) is not None:
                for problem in shape(endpoint[field]):
                    yield causes.wrong(f"endpoints[{at}].{field}", endpoint[field], problem)
        yield from _hints(endpoint.get("hints") or {}, f"endpoints[{at}].hints")
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            yield causes.required(f"endpoints[{at}].addresses", "must contain at least 1 address")
        for place, address in enumerate(addresses):
            here = f"endpoints[{at}].addresses[{place}]"
            if kind == "FQDN":
                yield from form(names.subdomain)(address, here)
            elif kind in ("IPv4", "IPv6"):
                yield from _endpoint_address(address, here)


def _hints(hints: Object, path: str) -> Iterator[Cause]:
    for field, shape in (("forZones", names.label_value), ("forNodes", names.subdomain)):
        given, here = hints.get(field) or [], f"{path}.{field}"
        if len(given) > MOST_HINTS:
            yield causes.too_many(here, len(given), MOST_HINTS)
            continue
        called = [one.get("name") or "" for one in given]
        for at, name in enumerate(called):
            if name in called[:at]:
                yield causes.duplicate(f"{here}[{at}].name", name)
            for problem in shape(name):
                yield causes.wrong(f"{here}[{at}].name", name, problem)


def _endpoints(endpoints: Object) -> Iterator[Cause]:
    for at, subset in enumerate(endpoints.get("subsets") or ()):
        path, ports = f"subsets[{at}]", subset.get("ports") or ()
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield causes.required(path, "must specify `addresses` or `notReadyAddresses`")
        for group in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(group) or ()):
                here = f"{path}.{group}[{place}]"
                yield from form(names.label)(address.get("hostname"), f"{here}.hostname")
                if address.get("nodeName") is not None:
                    for problem in names.subdomain(address["nodeName"]):
                        yield causes.wrong(f"{here}.nodeName", address["nodeName"], problem)
                address_problems = list(_endpoint_address(address.get("ip") or "", f"{here}.ip"))
                yield from address_problems
                if any("must be a valid IP address" in problem.message for problem in address_problems):
                    # Two looks at the same text, of which the second gives no example.
                    yield causes.wrong(f"{here}.ip", address.get("ip") or "", "must be a valid IP address")
        for place, port in enumerate(ports):
            yield from _endpoint_port(port, f"{path}.ports[{place}]", is_named=len(ports) > 1)


def _endpoint_port(port: Object, path: str, *, is_named: bool) -> Iterator[Cause]:
    if is_named:
        yield from needed()(port.get("name"), f"{path}.name")
    yield from form(names.label)(port.get("name"), f"{path}.name")
    yield from checks.port_number(port.get("port"), f"{path}.port")
    yield from needed_one_of("SCTP", "TCP", "UDP")(port.get("protocol"), f"{path}.protocol")
    if port.get("appProtocol") is not None:
        for problem in names.qualified(port["appProtocol"]):
            yield causes.wrong(f"{path}.appProtocol", port["appProtocol"], problem)


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "/Service": _service,
    "/Endpoints": _endpoints,
    "discovery.k8s.io/EndpointSlice": _slice,
}
