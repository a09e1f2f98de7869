"""Sidecar."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, destinationrule, destinations, names, selectors, servertls
from labkit.mesh.validation.findings import Finding, each, error, errors, warning
from labkit.mesh.validation.gotext import quoted

UNIX = "unix://"
_LOCAL = ("", "127.0.0.1", "0.0.0.0", "::1", "::")
_ENDPOINT_FORMS = "127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset"
_INBOUND = "inboundConnectionPool"
_UNIQUE = "sidecar: ports on IP bound listeners must be unique"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    egress, ingress = each(spec.get("egress")), each(spec.get("ingress"))
    yield from selectors.of_workload(spec, "sidecar")
    if not (egress or ingress or any(spec.get(k) is not None for k in ("outboundTrafficPolicy", _INBOUND))):
        yield error("sidecar: empty configuration provided")
        return
    numbers: set[int] = set()
    for listener in ingress:
        yield from _ingress(listener, numbers)
    yield from destinationrule.pool(spec.get(_INBOUND))
    yield from _egress_listeners(egress, resources.namespace_of(obj))
    yield from _outbound(spec.get("outboundTrafficPolicy"))


def _ingress(listener: Mapping[str, Any], numbers: set[int]) -> Iterator[Finding]:
    port = listener.get("port")
    if port is None:
        yield error("sidecar: port is required for ingress listeners")
        return
    if port.get("targetPort"):
        yield error("targetPort has no impact on Sidecars")
    yield from _port(port, listener.get("bind") or "")
    number = port.get("number") or 0
    if number in numbers:
        yield error(_UNIQUE)
    numbers.add(number)
    yield from _endpoint(listener.get("defaultEndpoint") or "")
    yield from _tls(listener.get("tls"))
    pool = listener.get("connectionPool")
    yield from destinationrule.pool(pool)
    protocol = port.get("protocol") or ""
    if (pool or {}).get("http") is not None and protocol.lower() not in names.HTTP_PROTOCOLS:
        yield warning(
            f"sidecar: HTTP connection pool settings are configured for port {number} "
            f"({quoted(port.get('name') or '')}) but its protocol is not HTTP ({protocol}); "
            "only TCP settings will apply"
        )


def _port(port: Mapping[str, Any], bind: str) -> Iterator[Finding]:
    name = port.get("name") or ""
    yield from errors(
        names.port_name(name) if name else "",
        names.protocol(port.get("protocol") or ""),
        names.port(port.get("number")),
        addresses.ip(bind) if bind else "",
    )


def _endpoint(endpoint: str) -> Iterator[Finding]:
    if not endpoint:
        return
    if endpoint.startswith(UNIX):
        yield from errors(names.unix_path(endpoint.removeprefix(UNIX)))
        return
    host, problem = "", ""
    port = ""
    if ":" not in endpoint:
        problem = f"address {endpoint}: missing port in address"
    elif endpoint.startswith("["):
        host, _, port = endpoint[1:].rpartition("]:")
    elif endpoint.count(":") > 1:
        problem = f"address {endpoint}: too many colons in address"
    else:
        host, _, port = endpoint.partition(":")
    yield from errors(problem)
    if host not in _LOCAL:
        yield error(f"sidecar: defaultEndpoint must be of form {_ENDPOINT_FORMS}")
    if not names.is_number(port):
        reason = f"strconv.Atoi: parsing {quoted(port)}: invalid syntax"
        yield error(f"sidecar: defaultEndpoint port ({port}) is not a number: {reason}")
    else:
        yield from errors(names.port(int(port)))


def _tls(tls: Mapping[str, Any] | None) -> Iterator[Finding]:
    if tls is None:
        return
    if tls.get("subjectAltNames"):
        yield error("sidecar: subjectAltNames is not supported in ingress tls")
    if tls.get("httpsRedirect"):
        yield error("sidecar: httpsRedirect is not supported")
    if tls.get("credentialName"):
        yield error("sidecar: credentialName is not currently supported")
    if tls.get("mode") in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        yield error(f"configuration is invalid: cannot set mode to {tls['mode']} in sidecar ingress tls")
    yield from servertls.findings(tls)


def _egress_listeners(listeners: list[Any], namespace: str) -> Iterator[Finding]:
    numbers: set[int] = set()
    sockets: set[str] = set()
    for at, listener in enumerate(listeners):
        port, bind = listener.get("port"), listener.get("bind") or ""
        if port is None:
            if at < len(listeners) - 1:
                yield error("sidecar: the egress listener with empty port should be the last listener in the list")
        else:
            yield from _egress_port(port, bind, listener.get("captureMode", "DEFAULT"))
            number = port.get("number") or 0
            if not number and bind in sockets:
                yield error("sidecar: unix domain socket values for listeners must be unique")
            if number and number in numbers:
                yield error(_UNIQUE)
            sockets |= set() if number else {bind}
            numbers |= {number} if number else set()
        yield from _hosts(listener.get("hosts") or [], namespace)


def _egress_port(port: Mapping[str, Any], bind: str, capture: str) -> Iterator[Finding]:
    if port.get("targetPort"):
        yield error("targetPort has no impact on Sidecars")
    if port.get("number"):
        yield from _port(port, bind)
        return
    if port.get("name"):
        yield from errors(names.port_name(port["name"]))
    yield from errors(names.protocol(port.get("protocol") or ""))
    if not bind.startswith(UNIX):
        yield error("sidecar: ports with 0 value must have a unix domain socket bind address")
    else:
        yield from errors(names.unix_path(bind.removeprefix(UNIX)))
    if capture not in ("DEFAULT", "NONE"):
        yield error("sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners")


def _hosts(hosts: list[str], namespace: str) -> Iterator[Finding]:
    if not hosts:
        yield error("sidecar: egress listener must contain at least one host")
    seen: dict[str, set[str]] = {}
    for host in hosts:
        place, slash, name = host.partition("/")
        if slash:
            of_namespace = seen.setdefault(namespace if place == "." else place, set())
            if (of_namespace and name == "*") or name in of_namespace or (name != "*" and "*" in of_namespace):
                yield warning(f"duplicated egress host: {host}")
            of_namespace.add(name)
        yield from _host(host)
    if "*" in seen.get("*", ()) and len(seen) > 1:
        yield warning("`*/*` host select all resources, no other hosts can be added")


def _host(host: str) -> Iterator[Finding]:
    namespace, slash, name = host.partition("/")
    if not slash:
        yield error("host must be of form namespace/dnsName")
        return
    if not namespace or not name:
        yield error("config namespace and dnsName in host entry cannot be empty")
    if namespace not in ("*", ".", "~") and not names.is_label(namespace):
        yield error(f"invalid namespace value {quoted(namespace)} in sidecar")
    if name != "*" and "." not in name:
        yield error("short names (non FQDN) are not allowed")
    # Istio's check for both kinds of hosts says the problem of a name that is no address twice.
    if problem := names.wildcard_domain(name):
        yield from errors(problem, "" if addresses.is_ip(name) else problem)
    yield from errors(names.partial_wildcard(name))


def _outbound(policy: Mapping[str, Any] | None) -> Iterator[Finding]:
    proxy = (policy or {}).get("egressProxy")
    if policy is None or proxy is None:
        return
    if policy.get("mode") != "ALLOW_ANY":
        yield error("sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode")
        return
    yield from errors(names.fqdn(proxy.get("host", "")))
    if proxy.get("port") is None:
        yield error("sidecar: egress_proxy port must be non-nil")
        return
    yield from destinations.destination(proxy)
