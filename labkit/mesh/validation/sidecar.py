"""Sidecar."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import destinationrule, gateway, names
from labkit.mesh.validation.findings import Finding, each, error, errors, warning

_ENDPOINT = re.compile(r"(127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(\d+)|unix://.+")
_ENDPOINT_FORMS = "127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    selector, egress, ingress = spec.get("workloadSelector"), each(spec.get("egress")), each(spec.get("ingress"))
    if selector is not None and not selector.get("labels"):
        yield warning(
            "sidecar: workload selector specified without labels, will be applied to all services in namespace"
        )
    if not (egress or ingress or spec.get("outboundTrafficPolicy") or spec.get("inboundConnectionPool")):
        yield error("sidecar: empty configuration provided")
        return
    for listener in ingress:
        yield from _ingress(listener)
    for at, listener in enumerate(egress):
        if not listener.get("port") and at < len(egress) - 1:
            yield error("sidecar: the egress listener with empty port should be the last listener in the list")
        yield from _egress(listener, resources.namespace_of(obj))
    yield from destinationrule.pool(spec.get("inboundConnectionPool"))


def _ingress(listener: Mapping[str, Any]) -> Iterator[Finding]:
    yield from errors(filter(None, [names.port((listener.get("port") or {}).get("number"))]))
    endpoint = listener.get("defaultEndpoint")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        yield error(f"sidecar: defaultEndpoint must be of form {_ENDPOINT_FORMS}")
    yield from gateway.tls(listener.get("tls"))
    yield from destinationrule.pool(listener.get("connectionPool"))


def _egress(listener: Mapping[str, Any], namespace: str) -> Iterator[Finding]:
    hosts = listener.get("hosts") or []
    if not hosts:
        yield error("sidecar: egress listener must contain at least one host")
    seen: list[str] = []
    for host in hosts:
        yield from _host(host)
        full = f"{namespace}{host[1:]}" if host.startswith("./") else host
        if full in seen or _is_covered(full, seen):
            yield warning(f"duplicated egress host: {host}")
        seen.append(full)


def _is_covered(host: str, earlier: list[str]) -> bool:
    """Whether an earlier host of any namespace brings this one too."""
    name = host.partition("/")[2]
    return any(e == f"*/{name}" for e in earlier)


def _host(host: str) -> Iterator[Finding]:
    namespace, slash, name = host.partition("/")
    if not slash:
        yield error("host must be of form namespace/dnsName")
        return
    if namespace not in ("*", ".", "~") and not names.is_label(namespace):
        yield error(f'invalid namespace value "{namespace}" in sidecar')
    problem = names.wildcard_domain(name)
    if problem and not names.is_ip(name):
        yield error(problem)
