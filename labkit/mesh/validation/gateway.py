"""Gateway of networking.istio.io."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, names, servertls
from labkit.mesh.validation.findings import Finding, each, error, errors, warning
from labkit.mesh.validation.gotext import quoted

UNIX = "unix://"
_PROTOCOLS_SHOWN = "HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP"
"""As Istio lists them."""


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    servers = each((obj.get("spec") or {}).get("servers"))
    if not names.is_label(resources.name_of(obj)):
        yield error(f"invalid gateway name: {quoted(resources.name_of(obj))}")
    if not servers:
        yield error("gateway must have at least one server")
    for server in servers:
        yield from _server(server)
    seen: set[str] = set()
    for server in servers:
        port = server.get("port") or {}
        name = port.get("name", "")
        if name in seen:
            yield error(f"port names in servers must be unique: duplicate name {name}")
        seen.add(name)
        is_http = _protocol(port) in names.HTTP_PROTOCOLS
        if not is_http and (server.get("tls") or {}).get("httpsRedirect"):
            yield warning("tls.httpsRedirect should only be used with http servers")


def _protocol(port: Mapping[str, Any]) -> str:
    return str(port.get("protocol", "")).lower()


def _server(server: Mapping[str, Any]) -> Iterator[Finding]:
    if not server.get("hosts"):
        yield error("server config must contain at least one host")
    for host in server.get("hosts") or []:
        yield from gateway_host(host)
    bind = server.get("bind") or ""
    of_port = list(_port(server.get("port"), bind))
    yield from of_port
    yield from _bind(server.get("port") or {}, bind)
    yield from servertls.findings(server.get("tls"))
    if not of_port:
        yield from _protocol_and_tls(_protocol(server["port"]), server.get("tls"))


def _protocol_and_tls(protocol: str, tls: Mapping[str, Any] | None) -> Iterator[Finding]:
    if protocol in names.TLS_PROTOCOLS:
        if tls is None:
            yield error("server must have TLS settings for HTTPS/TLS protocols")
    elif tls is not None and protocol in names.HTTP_PROTOCOLS:
        files = any(tls.get(key) for key in ("caCertificates", "privateKey", "serverCertificate"))
        if files or not servertls.is_passthrough(tls):
            yield error("server cannot have TLS settings for plain text HTTP ports")
    elif tls is not None:
        yield error("server cannot have TLS settings for non HTTPS/TLS ports")


def _port(port: Mapping[str, Any] | None, bind: str) -> Iterator[Finding]:
    if port is None:
        yield error("port is required")
        return
    if _protocol(port) not in names.PROTOCOLS:
        protocol = quoted(str(port.get("protocol", "")))
        yield error(f"invalid protocol {protocol}, supported protocols are {_PROTOCOLS_SHOWN}")
    if port.get("number") or not bind.startswith(UNIX):
        yield from errors(names.port(port.get("number")))
    if port.get("targetPort"):
        yield error("targetPort has no impact on Gateways")
    if not port.get("name"):
        yield error(f"port name must be set: {_shown(port)}")


def _shown(port: Mapping[str, Any]) -> str:
    fields = (("number", port.get("number")), ("protocol", port.get("protocol") and quoted(port["protocol"])))
    return " ".join(f"{name}:{value}" for name, value in fields if value)


def _bind(port: Mapping[str, Any], bind: str) -> Iterator[Finding]:
    if bind.startswith(UNIX):
        yield from errors(names.unix_path(bind.removeprefix(UNIX)))
        if port.get("number"):
            yield error(f"port number must be 0 for unix domain socket: {_shown(port)}")
    elif bind:
        yield from errors(addresses.ip(bind))


def gateway_host(host: str) -> Iterator[Finding]:
    """``host`` or ``namespace/host`` of a server."""
    namespace, slash, name = host.partition("/")
    if not slash:
        yield from _domain(host)
        return
    if not namespace or not name:
        yield error("config namespace and dnsName in host entry cannot be empty")
    if namespace not in ("*", ".") and not names.is_label(namespace):
        yield error(f"invalid namespace value {quoted(namespace)} in gateway")
    yield from _domain(name)


def _domain(name: str) -> Iterator[Finding]:
    """A server may have an address in the place of a name."""
    if name != "*" and "." not in name:
        yield error("short names (non FQDN) are not allowed")
    if not addresses.is_ip(name):
        yield from errors(names.wildcard_domain(name))
    yield from errors(names.partial_wildcard(name))
