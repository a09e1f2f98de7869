"""DestinationRule."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, balancing, exports, names, selectors
from labkit.mesh.validation.findings import Finding, each, error, errors, warning

Policy = Mapping[str, Any]

_LIMITS = (
    ("http", "http1MaxPendingRequests", "http1 max pending requests must be non-negative"),
    ("http", "http2MaxRequests", "http2 max requests must be non-negative"),
    ("http", "maxRequestsPerConnection", "max requests per connection must be non-negative"),
    ("http", "maxRetries", "max retries must be non-negative"),
    ("http", "maxConcurrentStreams", "max concurrent streams must be non-negative"),
    ("tcp", "maxConnections", "max connections must be non-negative"),
)
_OUTLIERS = (
    "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead"
)
_LOCAL_ORIGIN = (
    "outlier detection consecutive local origin failures is specified, but split external local origin errors is set "
    "to false"
)
_PARTS = ("outlierDetection", "connectionPool", "loadBalancer", "tls")


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from errors(names.wildcard_domain(spec.get("host", "")))
    yield from policy(spec.get("trafficPolicy"))
    seen: set[str] = set()
    for subset in each(spec.get("subsets")):
        name = subset.get("name", "")
        if name in seen:
            yield error(f"duplicate subset names: {name}")
        seen.add(name)
        yield from errors(names.subset(name))
        yield from names.labels(subset.get("labels"))
        yield from policy(subset.get("trafficPolicy"))
    is_selective = spec.get("workloadSelector") is not None
    yield from exports.findings(spec, resources.namespace_of(obj), of_one_workload=is_selective)
    yield from selectors.match_labels(spec.get("workloadSelector"))


def policy(traffic: Policy | None) -> Iterator[Finding]:
    """A traffic policy, whole or of one subset."""
    if traffic is None:
        return
    if not any(value is not None for value in traffic.values()):
        yield error("traffic policy must have at least one field")
        return
    if traffic.get("tunnel") is not None and traffic.get("proxyProtocol") is not None:
        yield error("tunnel and proxyProtocol must not be set together")
        return
    yield from _parts(traffic)
    for setting in each(traffic.get("portLevelSettings")):
        if setting.get("port") is None:
            yield error("portTrafficPolicy must have valid port")
        if not any(setting.get(k) is not None for k in _PARTS):
            yield error("port traffic policy must have at least one field")
        else:
            yield from _parts(setting)
    yield from _tunnel(traffic.get("tunnel"))


def _parts(traffic: Policy) -> Iterator[Finding]:
    outliers = traffic.get("outlierDetection")
    yield from _outliers(outliers or {})
    yield from pool(traffic.get("connectionPool"))
    yield from balancing.findings(traffic.get("loadBalancer"), has_outliers=outliers is not None)
    yield from tls(traffic.get("tls") or {})


def _outliers(outliers: Policy) -> Iterator[Finding]:
    if outliers.get("consecutiveErrors"):
        yield warning(_OUTLIERS)
    if outliers.get("consecutiveLocalOriginFailures") and not outliers.get("splitExternalLocalOriginErrors"):
        yield error(_LOCAL_ORIGIN)
    for key in ("maxEjectionPercent", "minHealthPercent"):
        share = outliers.get(key) or 0
        if not 0 <= share <= 100:
            yield error(f"percentage {share} is not in range 0..100")


def pool(limits: Policy | None) -> Iterator[Finding]:
    """Limits of connections and requests."""
    if limits is None:
        return
    if limits.get("tcp") is None and limits.get("http") is None:
        yield error("connection pool must have at least one field")
        return
    yield from errors(*(text for part, key, text in _LIMITS if ((limits.get(part) or {}).get(key) or 0) < 0))
    http = limits.get("http") or {}
    if http.get("h2UpgradePolicy") == "UPGRADE" and http.get("useClientProtocol"):
        yield error("use client protocol must not be true when H2UpgradePolicy is UPGRADE")


def tls(settings: Policy) -> Iterator[Finding]:
    """How to connect to the upstream."""
    mode = settings.get("mode")
    if mode not in ("SIMPLE", "MUTUAL"):
        return
    authority, secret = settings.get("caCertificates"), settings.get("credentialName")
    is_checked = authority or settings.get("subjectAltNames") or (mode == "SIMPLE" and secret)
    if settings.get("insecureSkipVerify") and is_checked:
        fields = "CaCertificates or CredentialName" if mode == "SIMPLE" else "CaCertificates"
        yield error(f"cannot specify {fields} or SubjectAltNames when InsecureSkipVerify is set true")
    if secret:
        if any(settings.get(k) for k in ("clientCertificate", "privateKey", "caCertificates", "caCrl")):
            yield error("cannot specify client certificates or CA certificate or CA CRL If credentialName is set")
        return
    if mode == "MUTUAL":
        if not settings.get("clientCertificate"):
            yield error("client certificate required for mutual tls")
        if not settings.get("privateKey"):
            yield error("private key required for mutual tls")


def _tunnel(tunnel: Policy | None) -> Iterator[Finding]:
    if tunnel is None:
        return
    if tunnel.get("protocol") not in (None, "", "CONNECT", "POST"):
        yield error('tunnel protocol must be "CONNECT" or "POST"')
    host = tunnel.get("targetHost", "")
    if (problem := names.fqdn(host)) and not addresses.is_ip(host):
        yield error(f"tunnel target host must be valid FQDN or IP address: {problem}; {addresses.ip(host)}")
    if problem := names.port(tunnel.get("targetPort")):
        yield error(f"tunnel target port is invalid: {problem}")
