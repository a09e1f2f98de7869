"""Rules for Ingresses, their classes, and NetworkPolicies."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, jobs, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import form, needed, one_of

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_DIRECTIONS = ("Ingress", "Egress")
_LONGEST_CONTROLLER = 250
_CLASS = "kubernetes.io/ingress.class"

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "NetworkPolicySpec": {"podSelector": (checks.selector,)},
}


def _ingress(ingress: Object) -> Iterator[Cause]:
    spec = ingress.get("spec") or {}
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        yield causes.wrong("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend(backend, "spec.defaultBackend")
    for at, rule in enumerate(rules):
        yield from _rule(rule, f"spec.rules[{at}]")
    for at, tls in enumerate(spec.get("tls") or ()):
        for place, host in enumerate(tls.get("hosts") or ()):
            yield from _host(host, f"spec.tls[{at}].hosts[{place}]")
        yield from form(names.subdomain)(tls.get("secretName"), f"spec.tls[{at}].secretName")
    named = spec.get("ingressClassName")
    if named is not None:
        for problem in names.subdomain(named):
            yield causes.wrong("spec.ingressClassName", named, problem)
    annotated = (ingress["metadata"].get("annotations") or {}).get(_CLASS)
    if annotated is not None and named is not None and annotated != named:
        detail = "must match `ingressClassName` when both are specified"
        yield causes.wrong(f"annotations.{_CLASS}", annotated, detail)


def _host(host: str, path: str) -> Iterator[Cause]:
    for problem in names.wildcard_subdomain(host) if "*" in host else names.subdomain(host):
        yield causes.wrong(path, host, problem)


def _rule(rule: Object, path: str) -> Iterator[Cause]:
    host, http = rule.get("host") or "", rule.get("http")
    if host and not names.ip(host):
        yield causes.wrong(f"{path}.host", host, "must be a DNS name, not an IP address")
    if host:
        yield from _host(host, f"{path}.host")
    if http is None:
        return
    if not http.get("paths"):
        yield causes.required(f"{path}.http.paths")
    for at, one in enumerate(http.get("paths") or ()):
        yield from _path(one, f"{path}.http.paths[{at}]")


def _path(one: Object, path: str) -> Iterator[Cause]:
    kind, text = one.get("pathType"), one.get("path") or ""
    if kind is None:
        yield causes.required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield causes.unsupported(f"{path}.pathType", kind, _PATH_TYPES)
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        yield causes.wrong(f"{path}.path", text, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for part in _BAD_SEQUENCES:
            if part in text:
                yield causes.wrong(f"{path}.path", text, f"must not contain '{part}'")
        for part in _BAD_ENDS:
            if text.endswith(part):
                yield causes.wrong(f"{path}.path", text, f"cannot end with '{part}'")
    yield from _backend(one.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> Iterator[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        yield causes.wrong(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _reference(resource, f"{path}.resource")
    elif service is not None:
        yield from _service(service, path)
    else:
        yield causes.wrong(path, "", "resource or service backend is required")


def _service(service: Object, path: str) -> Iterator[Cause]:
    port = service.get("port") or {}
    name, number = port.get("name") or "", port.get("number") or 0
    yield from needed()(service.get("name"), f"{path}.service.name")
    yield from form(names.label_1035)(service.get("name"), f"{path}.service.name")
    if name and number:
        yield causes.wrong(path, "", "cannot set both port name & port number")
    elif name:
        yield from form(names.port_name)(name, f"{path}.service.port.name")
    elif number:
        yield from checks.port_number(number, f"{path}.service.port.number")
    else:
        yield causes.required(path, "port name or number is required")


def _reference(reference: Object, path: str) -> Iterator[Cause]:
    group = reference.get("apiGroup")
    if group is not None:
        for problem in names.subdomain(group):
            yield causes.wrong(f"{path}.apiGroup", group, problem)
    for field in ("kind", "name"):
        yield from needed()(reference.get(field), f"{path}.{field}")
        yield from form(names.path_segment)(reference.get(field), f"{path}.{field}")


def _class(ingress_class: Object) -> Iterator[Cause]:
    spec = ingress_class.get("spec") or {}
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    if len(controller) > _LONGEST_CONTROLLER:
        yield causes.too_long("spec.controller", _LONGEST_CONTROLLER)
    yield from jobs.domain_path(controller, "spec.controller")
    if parameters is None:
        return
    path, scope = "spec.parameters", parameters.get("scope")
    yield from _reference(parameters, path)
    if scope is None:
        yield causes.required(f"{path}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield causes.unsupported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Namespace" and parameters.get("namespace") is None:
        yield causes.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        yield from form(names.label)(parameters["namespace"] or "-", f"{path}.namespace")
    elif scope == "Cluster" and parameters.get("namespace") is not None:
        yield causes.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")


def _policy(policy: Object) -> Iterator[Cause]:
    spec = policy.get("spec") or {}
    for rules, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec.get(rules) or ()):
            path = f"spec.{rules}[{at}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _port(port, f"{path}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(peer, f"{path}.{peers}[{place}]")
    types = spec.get("policyTypes") or ()
    if len(types) > len(_DIRECTIONS):
        yield causes.wrong("spec.policyTypes", list(types), "may not specify more than two policyTypes")
        return
    for at, one in enumerate(types):
        yield from one_of(*_DIRECTIONS, optional=False)(one, f"spec.policyTypes[{at}]")


def _port(port: Object, path: str) -> Iterator[Cause]:
    protocol, number, last = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None:
        yield from one_of("TCP", "UDP", "SCTP", optional=False)(protocol, f"{path}.protocol")
    if number is not None:
        yield from checks.port(number, f"{path}.port")
    if last is None:
        return
    if number is None:
        yield causes.wrong(f"{path}.endPort", last, "may not be specified when `port` is not specified")
    elif isinstance(number, str):
        yield causes.wrong(f"{path}.endPort", last, "may not be specified when `port` is non-numeric")
    else:
        if last < number:
            yield causes.wrong(f"{path}.endPort", number, "must be greater than or equal to `port`")
        yield from checks.port_number(last, f"{path}.endPort")


def _peer(peer: Object, path: str) -> Iterator[Cause]:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    for name in given:
        if name == "ipBlock":
            yield from _block(peer[name], f"{path}.ipBlock")
        else:
            yield from checks.selector(peer[name], f"{path}.{name}")
    if not given:
        yield causes.required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        yield causes.forbidden(path, "may not specify both ipBlock and another peer")


def _block(block: Object, path: str) -> Iterator[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield causes.required(f"{path}.cidr")
        return
    complaints = names.cidr(cidr)
    for problem in complaints:
        yield causes.wrong(f"{path}.cidr", cidr, problem)
    if complaints:
        return
    network = ipaddress.ip_network(cidr)
    for at, text in enumerate(block.get("except") or ()):
        here, problems = f"{path}.except[{at}]", names.cidr(text)
        for problem in problems:
            yield causes.wrong(here, text, problem)
        if not problems and not _is_strictly_inside(ipaddress.ip_network(text), network):
            yield causes.wrong(here, text, "must be a strict subset of `cidr`")


def _is_strictly_inside(one: Any, other: Any) -> bool:
    return bool(one.version == other.version and one.subnet_of(other) and one != other)


def _service_range(service_range: Object) -> Iterator[Cause]:
    given = (service_range.get("spec") or {}).get("cidrs") or []
    if not given:
        yield causes.required("spec.cidrs", "at least one CIDR required")
    elif len(given) > 2:
        yield causes.wrong("spec.cidrs", {"CIDRs": given}, "may only hold up to 2 values")
        return
    problems = [
        causes.wrong(f"spec.cidrs[{at}]", text, why) for at, text in enumerate(given) for why in names.cidr(text)
    ]
    yield from problems
    if not problems and len({":" in text for text in given}) < len(given):
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield causes.wrong("spec.cidrs", given, detail)


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {}

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "networking.k8s.io/Ingress": _ingress,
    "networking.k8s.io/IngressClass": _class,
    "networking.k8s.io/NetworkPolicy": _policy,
    "networking.k8s.io/ServiceCIDR": _service_range,
}
