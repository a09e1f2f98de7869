"""Rules for services, their endpoints, ingresses and network policies."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import each, form, needed, needed_one_of, one_of

_PODS = ipaddress.ip_network("127.64.0.0/10"), ipaddress.ip_network("127.128.0.0/9")
"""Loopback as it is, for here pods live in it (``sandbox.network.addresses``)."""

_LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
_NO_ENDPOINT = (
    ("is_loopback", _LOOPBACK),
    ("is_unspecified", "may not be unspecified (0.0.0.0 or ::)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
    ("is_multicast", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
)

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "ServiceSpec": {
        "selector": (checks.label_set,),
        "type": (needed_one_of("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),),
        "externalIPs": (each(form(names.ip)),),
        "sessionAffinity": (needed_one_of("ClientIP", "None"),),
        "externalTrafficPolicy": (one_of("Cluster", "Local"),),
        "internalTrafficPolicy": (one_of("Cluster", "Local"),),
        "trafficDistribution": (one_of("PreferClose", "PreferSameZone", "PreferSameNode"),),
    },
    "ServicePort": {
        "name": (form(names.label),),
        "protocol": (one_of("SCTP", "TCP", "UDP"),),
        "port": (checks.port_number,),
        "targetPort": (checks.port,),
    },
    "IPBlock": {"cidr": (needed(), form(names.cidr)), "except": (each(form(names.cidr)),)},
    "NetworkPolicySpec": {"podSelector": (checks.selector,)},
    "NetworkPolicyPort": {"protocol": (one_of("TCP", "UDP", "SCTP"),)},
    "HTTPIngressPath": {"pathType": (needed("pathType must be specified"),)},
    "IngressServiceBackend": {"name": (needed(), form(names.label_1035))},
}


def _service(service: Object) -> Iterator[Cause]:
    spec = service["spec"]
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind != "ExternalName" and not ports and spec.get("clusterIP") != "None":
        yield causes.required("spec.ports")
    yield from _port_names(ports)
    yield from _addresses(spec)
    for at, port in enumerate(ports):
        if port.get("nodePort") and kind == "ClusterIP":
            yield causes.forbidden(f"spec.ports[{at}].nodePort", "may not be used when `type` is 'ClusterIP'")
    if kind == "ExternalName" and not spec.get("externalName"):
        yield causes.required("spec.externalName")
    policy = spec.get("externalTrafficPolicy")
    if policy and kind not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
        yield causes.wrong("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
    for at, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        for problem in names.cidr(block):
            yield causes.wrong(f"spec.LoadBalancerSourceRanges[{at}]", block, problem)


def _port_names(ports: Any) -> Iterator[Cause]:
    seen_names: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        name, identity = port.get("name"), (port.get("protocol"), port.get("port"))
        if not name:
            if len(ports) > 1:
                yield causes.required(f"spec.ports[{at}].name")
        elif name in seen_names:
            yield causes.duplicate(f"spec.ports[{at}].name", name)
        if identity in seen:
            bare = {"protocol": port.get("protocol"), "port": port.get("port")}
            yield causes.duplicate(f"spec.ports[{at}]", gonames.internal("ServicePort", bare))
        seen_names.add(name or "")
        seen.add(identity)


def _addresses(spec: Object) -> Iterator[Cause]:
    kind = spec.get("type")
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    if kind == "ExternalName":
        if addresses:
            yield causes.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        return
    for at, address in enumerate(addresses):
        here = f"spec.clusterIPs[{at}]"
        if address == "None":
            if kind in ("NodePort", "LoadBalancer"):
                yield causes.wrong(here, "None", f"may not be set to 'None' for {kind} services")
        else:
            for problem in names.ip(address):
                yield causes.wrong(here, address, problem)


def _endpoint_address(address: str, path: str) -> Iterator[Cause]:
    complaints = names.ip(address)
    for problem in complaints:
        yield causes.wrong(path, address, problem)
    if not complaints:
        found = ipaddress.ip_address(address)
        if any(found in pods for pods in _PODS):
            return
        for trait, problem in _NO_ENDPOINT:
            if getattr(found, trait):
                yield causes.wrong(path, address, problem)
                return


def _slice(found: Object) -> Iterator[Cause]:
    kind = found.get("addressType")
    yield from needed_one_of("FQDN", "IPv4", "IPv6")(kind, "addressType")
    for at, endpoint in enumerate(found.get("endpoints") or ()):
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            yield causes.required(f"endpoints[{at}].addresses", "must contain at least 1 address")
        for place, address in enumerate(addresses):
            here = f"endpoints[{at}].addresses[{place}]"
            if kind == "FQDN":
                yield from form(names.subdomain)(address, here)
            elif kind in ("IPv4", "IPv6"):
                yield from _endpoint_address(address, here)


def _endpoints(found: Object) -> Iterator[Cause]:
    for at, subset in enumerate(found.get("subsets") or ()):
        for group in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(group) or ()):
                here = f"subsets[{at}].{group}[{place}].ip"
                yield from _endpoint_address(address.get("ip") or "", here)


def _ingress(ingress: Object) -> Iterator[Cause]:
    spec = ingress.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield causes.wrong("spec", None, "either `defaultBackend` or `rules` must be specified")
    for at, rule in enumerate(spec.get("rules") or ()):
        host = rule.get("host")
        if host and not names.ip(host):
            yield causes.wrong(f"spec.rules[{at}].host", host, "must be a DNS name, not an IP address")
        elif host:
            yield from form(names.subdomain)(host.removeprefix("*."), f"spec.rules[{at}].host")
        for place, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            text = path.get("path") or ""
            if path.get("pathType") in ("Exact", "Prefix") and not text.startswith("/"):
                here = f"spec.rules[{at}].http.paths[{place}].path"
                yield causes.wrong(here, text, "must be an absolute path")


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "/Service": _service,
    "/Endpoints": _endpoints,
    "discovery.k8s.io/EndpointSlice": _slice,
    "networking.k8s.io/Ingress": _ingress,
}
