"""Secrets that listeners and upstreams name, as Envoy takes them."""

from collections.abc import Container, Iterable, Iterator, Mapping

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import ir, mounted_files
from labkit.mesh.model import Proxy, Resource, Snapshot

SYSTEM = "file-root:system"
SYSTEM_FILE = "/etc/ssl/certs/ca-certificates.crt"
"""Where most Linux systems keep the authorities that everyone trusts."""

TRUSTED = "-cacert"
CERTIFICATE_KEYS = (("tls.crt", "tls.key"), ("cert", "key"))
AUTHORITY_KEYS = (("ca.crt", "ca.crl"), ("cacert", "crl"))
"""Who is trusted, and which of their certificates are revoked."""

CERTIFICATE_FILE, AUTHORITY_FILE = "file-cert:", "file-root:"


def of_listener(listener: ir.Listener) -> Iterator[str]:
    """The secrets of a gateway's port."""
    for chain in listener.chains:
        if isinstance(chain.tls, ir.EdgeTls):
            yield from chain.tls.certificates
            if chain.tls.authority:
                yield chain.tls.authority


def of_upstream(upstream: ir.Upstream) -> Iterator[str]:
    """The secrets of an upstream that is not one of the mesh."""
    if upstream.tls is not None and upstream.tls.kind != "istio":
        yield from (name for name in (upstream.tls.certificate, upstream.tls.authority) if name)


def granted_to(
    names: Iterable[str], snapshot: Snapshot, proxy: Proxy, granted: Container[str] = ()
) -> dict[str, Resource]:
    """Those that there are and that a proxy may have; any other is never sent."""
    files = mounted_files.Files(snapshot, proxy.namespace, proxy.name)
    namespace = proxy.namespace
    secrets: dict[str, Resource] = {}
    by_name: dict[tuple[str, str], Object] | None = None
    for name in dict.fromkeys(names):
        if name == SYSTEM:
            secrets[name] = {"name": name, "validation_context": {"trusted_ca": {"filename": SYSTEM_FILE}}}
            continue
        scheme, separator, rest = name.partition("://")
        if not separator:
            if resource := _of_files(name, files):
                secrets[name] = {"name": name, **resource}
            continue
        if by_name is None:
            by_name = {(resources.namespace_of(s), resources.name_of(s)): s for s in snapshot.of("secrets")}
        place, _, short = rest.rpartition("/") if scheme == "kubernetes-gateway" else (namespace, "", rest)
        if place != namespace and name not in granted:
            continue
        resource = _authority(short, place, by_name) if short.endswith(TRUSTED) else _certificate(short, place, by_name)
        if resource:
            secrets[name] = {"name": name, **resource}
    return secrets


def _of_files(name: str, files: mounted_files.Files) -> Resource:
    """A secret of files that the proxy's container mounts, as Istio's agent reads them."""
    if name.startswith(CERTIFICATE_FILE):
        chain, key = map(files.source, name.removeprefix(CERTIFICATE_FILE).split("~", 1))
        return {"tls_certificate": {"certificate_chain": chain, "private_key": key}} if chain and key else {}
    authority = files.source(name.removeprefix(AUTHORITY_FILE)) if name.startswith(AUTHORITY_FILE) else {}
    return {"validation_context": {"trusted_ca": authority}} if authority else {}


def _certificate(name: str, namespace: str, secrets: Mapping[tuple[str, str], Object]) -> Resource:
    data = (secrets.get((namespace, name)) or {}).get("data") or {}
    for certificate, key in CERTIFICATE_KEYS:
        if data.get(certificate) and data.get(key):
            chain, private = {"inline_bytes": data[certificate]}, {"inline_bytes": data[key]}
            return {"tls_certificate": {"certificate_chain": chain, "private_key": private}}
    return {}


def _authority(name: str, namespace: str, secrets: Mapping[tuple[str, str], Object]) -> Resource:
    """Of the Secret of that name, else of the one whose name it is without the ending."""
    for candidate in (name, name.removesuffix(TRUSTED)):
        data = (secrets.get((namespace, candidate)) or {}).get("data") or {}
        for key, revoked in AUTHORITY_KEYS:
            if data.get(key):
                context: Resource = {"trusted_ca": {"inline_bytes": data[key]}}
                if data.get(revoked):
                    context["crl"] = {"inline_bytes": data[revoked]}
                return {"validation_context": context}
    return {}
