"""DestinationRule."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import names
from labkit.mesh.validation.findings import Finding, each, error, errors, warning

Policy = Mapping[str, Any]

_LIMITS = {
    "maxConnections": "max connections must be non-negative",
    "http1MaxPendingRequests": "http1 max pending requests must be non-negative",
    "http2MaxRequests": "http2 max requests must be non-negative",
    "maxRequestsPerConnection": "max requests per connection must be non-negative",
    "maxRetries": "max retries must be non-negative",
    "maxConcurrentStreams": "max concurrent streams must be non-negative",
}
_OUTLIERS = (
    "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead"
)
_LARGEST_TABLE = 5000011
_RING = "consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from errors(filter(None, [names.wildcard_domain(spec.get("host", ""))]))
    yield from policy(spec.get("trafficPolicy"))
    for subset in each(spec.get("subsets")):
        yield from errors(filter(None, [names.subset(subset.get("name", ""))]))
        yield from errors(names.labels(subset.get("labels")))
        yield from policy(subset.get("trafficPolicy"))
    yield from errors(names.export_to(spec))


def policy(said: Policy | None) -> Iterator[Finding]:
    """A traffic policy, whole or of one subset."""
    if said is None:
        return
    yield from _parts(said)
    settings = each(said.get("portLevelSettings"))
    for setting in settings:
        if (setting.get("port") or {}).get("number") is None:
            yield error("portTrafficPolicy must have valid port")
        if not any(k in setting for k in ("loadBalancer", "connectionPool", "outlierDetection", "tls")):
            yield error("port traffic policy must have at least one field")
        yield from _parts(setting)
    yield from _tunnel(said.get("tunnel"))
    if not any(value is not None for value in said.values()):
        yield error("traffic policy must have at least one field")


def _parts(said: Policy) -> Iterator[Finding]:
    outliers = said.get("outlierDetection")
    yield from _outliers(outliers or {})
    yield from pool(said.get("connectionPool"))
    yield from _balancer(said.get("loadBalancer") or {}, has_outliers=outliers is not None)
    yield from tls(said.get("tls") or {})


def _outliers(said: Policy) -> Iterator[Finding]:
    if said.get("consecutiveErrors"):
        yield warning(_OUTLIERS)
    for key in ("maxEjectionPercent", "minHealthPercent"):
        share = said.get(key) or 0
        if not 0 <= share <= 100:
            yield error(f"percentage {share} is not in range 0..100")


def pool(said: Policy | None) -> Iterator[Finding]:
    """Limits of connections and requests."""
    if said is None:
        return
    tcp, http = said.get("tcp"), said.get("http")
    if tcp is None and http is None:
        yield error("connection pool must have at least one field")
    for limits in (tcp or {}, http or {}):
        yield from errors(text for key, text in _LIMITS.items() if (limits.get(key) or 0) < 0)
    if (http or {}).get("h2UpgradePolicy") == "UPGRADE" and (http or {}).get("useClientProtocol"):
        yield error("use client protocol must not be true when H2UpgradePolicy is UPGRADE")


def _table(size: int) -> Iterator[Finding]:
    if not size:
        yield error("tableSize must be set for maglev")
    if size >= _LARGEST_TABLE:
        yield error(f"tableSize must be less than {_LARGEST_TABLE} for maglev")
    if not _is_prime(size):
        yield error("tableSize must be a prime number for maglev")


def _balancer(said: Policy, *, has_outliers: bool) -> Iterator[Finding]:
    hashed = said.get("consistentHash") or {}
    cookie, maglev = hashed.get("httpCookie"), hashed.get("maglev")
    if cookie is not None and not cookie.get("name"):
        yield error("name required for HttpCookie")
    if hashed.get("minimumRingSize"):
        yield warning(_RING)
    if maglev is not None:
        yield from _table(maglev.get("tableSize") or 0)
    locality = said.get("localityLbSetting") or {}
    distribute, failover = each(locality.get("distribute")), each(locality.get("failover"))
    if distribute and failover:
        yield error("can not simultaneously specify 'distribute' and 'failover'")
        return
    for entry in distribute:
        total = sum((entry.get("to") or {}).values())
        if total != 100:
            yield error(f"total locality weight {total} != 100")
    for entry in failover:
        if entry.get("from") == entry.get("to"):
            yield error("locality lb failover settings must specify different regions")
    if (failover or locality.get("failoverPriority")) and not has_outliers:
        yield warning("outlier detection policy must be provided for failover")


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % k for k in range(2, int(number**0.5) + 1))


def tls(said: Policy) -> Iterator[Finding]:
    """How to connect to the upstream."""
    files = any(said.get(k) for k in ("clientCertificate", "privateKey", "caCertificates", "caCrl"))
    if said.get("insecureSkipVerify") and any(said.get(k) for k in ("caCertificates", "subjectAltNames")):
        yield error(
            "cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true"
        )
    if said.get("mode") not in ("MUTUAL", "SIMPLE"):
        return
    if said.get("credentialName"):
        if files:
            yield error("cannot specify client certificates or CA certificate or CA CRL If credentialName is set")
        return
    if said["mode"] == "MUTUAL":
        if not said.get("clientCertificate"):
            yield error("client certificate required for mutual tls")
        if not said.get("privateKey"):
            yield error("private key required for mutual tls")


def _tunnel(said: Policy | None) -> Iterator[Finding]:
    if said is None:
        return
    if said.get("protocol") not in (None, "", "CONNECT", "POST"):
        yield error('tunnel protocol must be "CONNECT" or "POST"')
    if problem := names.fqdn(said.get("targetHost", "")):
        yield error(f"tunnel target host is invalid: {problem}")
    if problem := names.port(said.get("targetPort")):
        yield error(f"tunnel target port is invalid: {problem}")
