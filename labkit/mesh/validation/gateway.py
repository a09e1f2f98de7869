"""Gateway of networking.istio.io."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import names
from labkit.mesh.validation.findings import Finding, each, error, errors, warning

PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "MONGO", "REDIS", "MYSQL", "TCP", "HTTPS", "TLS")
_NAMED = "HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP"
"""As Istio lists them."""

CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA256",
        "ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256", "DES-CBC3-SHA",
    }
)  # fmt: skip


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    servers = each(spec.get("servers"))
    if not servers:
        yield error("gateway must have at least one server")
    yield from errors(names.labels(spec.get("selector")))
    seen: set[str] = set()
    for server in servers:
        yield from _server(server)
        name = (server.get("port") or {}).get("name", "")
        if name in seen:
            yield error(f"port names in servers must be unique: duplicate name {name}")
        seen.add(name)


def _server(server: Mapping[str, Any]) -> Iterator[Finding]:
    port = server.get("port") or {}
    if not server.get("hosts"):
        yield error("server config must contain at least one host")
    for host in server.get("hosts") or []:
        yield from _host(host)
    yield from _port(port)
    yield from tls(server.get("tls"))
    protocol = str(port.get("protocol", "")).upper()
    if protocol in ("HTTPS", "TLS"):
        if server.get("tls") is None:
            yield error("server must have TLS settings for HTTPS/TLS protocols")
        elif server["tls"].get("httpsRedirect"):
            yield warning("tls.httpsRedirect should only be used with http servers")
    elif _is_tls(server.get("tls") or {}):
        yield error("server cannot have TLS settings for plain text HTTP ports")
    bind = server.get("bind")
    if bind and not bind.startswith("unix://") and not names.is_ip(bind):
        yield error(f"{bind} is not a valid IP")


def _is_tls(said: Mapping[str, Any]) -> bool:
    """Whether it is more than a redirect to https."""
    return any(value for key, value in said.items() if key != "httpsRedirect")


def _host(host: str) -> Iterator[Finding]:
    namespace, slash, name = host.partition("/")
    if not slash:
        name = host
    elif namespace not in ("*", ".") and not names.is_label(namespace):
        yield error(f'namespace "{namespace}" invalid')
    if name != "*" and "." not in name:
        yield error("short names (non FQDN) are not allowed")
    problem = names.wildcard_domain(name)
    if problem and not names.is_ip(name):
        yield error(problem)


def _port(port: Mapping[str, Any]) -> Iterator[Finding]:
    protocol = str(port.get("protocol", ""))
    if protocol.upper() not in PROTOCOLS:
        yield error(f'invalid protocol "{protocol}", supported protocols are {_NAMED}')
    if not port.get("name"):
        yield error("port name must be set")
    yield from errors(filter(None, [names.port(port.get("number"))]))
    if port.get("targetPort"):
        yield error("targetPort has no impact on Gateways")


def tls(said: Mapping[str, Any] | None) -> Iterator[Finding]:
    """How a server does TLS."""
    if said is None:
        return
    suites = said.get("cipherSuites") or []
    if unknown := [suite for suite in suites if suite not in CIPHERS]:
        yield warning(f"ignoring invalid cipher suites: [{' '.join(unknown)}]")
    repeated = [suite for at, suite in enumerate(suites) if suite in suites[:at]]
    if repeated:
        yield warning(f"ignoring duplicate cipher suites: [{' '.join(repeated)}]")
    mode = said.get("mode", "PASSTHROUGH")
    has_secret = any(said.get(k) for k in ("credentialName", "credentialNames", "tlsCertificates"))
    if mode not in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL") or has_secret:
        return
    if not said.get("serverCertificate"):
        yield error(f"{mode} TLS requires a server certificate")
    if not said.get("privateKey"):
        yield error(f"{mode} TLS requires a private key")
    if mode == "MUTUAL" and not (said.get("caCertificates") or said.get("caCertCredentialName")):
        yield error("MUTUAL TLS requires a client CA bundle")
