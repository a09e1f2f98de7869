"""Secrets that listeners and upstreams name, as Envoy takes them."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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
"""The fields of a Secret with the trusted authorities and the revocation list."""

NAMING = ("credentialName", "credentialNames", "secretName")
"""Fields of Gateways, DestinationRules and Ingresses that name Secrets."""

GATEWAY_API = "kubernetes-gateway"
"""The scheme of names whose references the Gateway API has checked."""

CERTIFICATE_FILE, AUTHORITY_FILE = "file-cert:", "file-root:"

Account = tuple[str, str]
"""Namespace and name of a service account."""


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What a proxy is sent of the secrets that it asks for."""

    secrets: Mapping[str, Resource] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    """Names that the proxy may not read, whether they exist or not."""


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


def granted_to(names: Iterable[str], snapshot: Snapshot, proxy: Proxy, references: Container[str] = ()) -> Granted:
    """The existing secrets that a proxy may read; ``references`` are allowed by ReferenceGrants."""
    files = mounted_files.Files(snapshot, proxy.namespace, proxy.name)
    secrets, denied = dict[str, Resource](), list[str]()
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
        place, _, short = rest.rpartition("/") if scheme == GATEWAY_API else (proxy.namespace, "", rest)
        is_granted = name in references or place == proxy.namespace
        if not is_granted or (scheme != GATEWAY_API and not _may_read(short, snapshot, proxy)):
            denied.append(short)
            continue
        resource = _authority(short, place, by_name) if short.endswith(TRUSTED) else _certificate(short, place, by_name)
        if resource:
            secrets[name] = {"name": name, **resource}
    return Granted(secrets=secrets, denied=tuple(denied))


def _may_read(name: str, snapshot: Snapshot, proxy: Proxy) -> bool:
    """Whether the proxy's account may list Secrets; authorities are public and need no permission."""
    readers = snapshot.secret_readers
    return readers is None or name.endswith(TRUSTED) or (proxy.namespace, proxy.service_account) in readers


def readers_asked(snapshot: Snapshot, proxies: Iterable[Proxy]) -> set[Account]:
    """The accounts whose permission must be checked: gateways', and all if a DestinationRule names a Secret."""
    entries = (*snapshot.of("gateways.networking.istio.io"), *snapshot.of("ingresses.networking.k8s.io"))
    of_gateways = any(map(_names_secret, entries))
    of_all = any(_names_secret(rule) for rule in snapshot.of("destinationrules.networking.istio.io"))
    return {
        (proxy.namespace, proxy.service_account)
        for proxy in proxies
        if of_all or (of_gateways and proxy.role == "router")
    }


def _names_secret(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(value.get, NAMING)) or any(map(_names_secret, value.values()))
    return isinstance(value, list) and any(map(_names_secret, value))


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
    """The trusted authorities in the Secret of that name, else in the Secret named without the suffix."""
    for candidate in (name, name.removesuffix(TRUSTED)):
        data = (secrets.get((namespace, candidate)) or {}).get("data") or {}
        for key, revoked in AUTHORITY_KEYS:
            if data.get(key):
                context: Resource = {"trusted_ca": {"inline_bytes": data[key]}}
                if data.get(revoked):
                    context["crl"] = {"inline_bytes": data[revoked]}
                return {"validation_context": context}
    return {}
