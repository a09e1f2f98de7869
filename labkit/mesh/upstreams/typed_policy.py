"""A traffic policy as a DestinationRule writes it, read into numbers."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import durations, ir

Spec = Mapping[str, Any]

LARGEST_RING = 8388608
"""What Envoy takes; Istio passes on any number, and Envoy refuses the cluster."""

RING = 1024
BALANCERS = ("ROUND_ROBIN", "RANDOM")
"""Every other word means LEAST_REQUEST, Istio's default."""


def read(policy: Spec) -> ir.TrafficPolicy:
    """The policy that counts for one port and subset, its ``tls`` left out."""
    proxy_protocol = policy.get("proxyProtocol")
    return ir.TrafficPolicy(
        pool=pool(policy.get("connectionPool") or {}),
        outliers=_outliers(policy["outlierDetection"]) if policy.get("outlierDetection") is not None else None,
        balancer=_balancer(policy.get("loadBalancer") or {}),
        retry_budget=_budget(policy["retryBudget"]) if policy.get("retryBudget") is not None else None,
        proxy_protocol=str(proxy_protocol.get("version") or "V1") if proxy_protocol is not None else "",
    )


def pool(spec: Spec) -> ir.ConnectionPool:
    """A ``connectionPool``; 0 is no limit."""
    tcp, http = spec.get("tcp") or {}, spec.get("http") or {}
    return ir.ConnectionPool(
        connect_timeout=durations.seconds(tcp.get("connectTimeout") or "10s"),
        keepalive=_keepalive(tcp["tcpKeepalive"]) if tcp.get("tcpKeepalive") else None,
        idle_timeout=_seconds(http.get("idleTimeout") or tcp.get("idleTimeout")),
        max_duration=_seconds(tcp.get("maxConnectionDuration")),
        connections=tcp.get("maxConnections") or None,
        pending_requests=http.get("http1MaxPendingRequests") or None,
        requests=http.get("http2MaxRequests") or None,
        retries=http.get("maxRetries") or None,
        requests_per_connection=http.get("maxRequestsPerConnection") or None,
        streams=http.get("maxConcurrentStreams") or None,
    )


def _seconds(text: Any) -> float | None:
    return durations.seconds(text) if text else None


def _keepalive(spec: Spec) -> ir.Keepalive:
    return ir.Keepalive(
        probes=spec.get("probes") or None, time=_seconds(spec.get("time")), interval=_seconds(spec.get("interval"))
    )


def _budget(spec: Spec) -> ir.RetryBudget:
    return ir.RetryBudget(percent=spec.get("percent", 20), least=spec.get("minRetryConcurrency", 3))


def _outliers(spec: Spec) -> ir.Outliers:
    splits = bool(spec.get("splitExternalLocalOriginErrors"))
    return ir.Outliers(
        interval=_seconds(spec.get("interval")),
        ejection_time=_seconds(spec.get("baseEjectionTime")),
        max_ejected_percent=spec.get("maxEjectionPercent") or None,
        errors=spec.get("consecutive5xxErrors"),
        gateway_errors=spec.get("consecutiveGatewayErrors"),
        # Istio leaves a 0 out here alone, so Envoy's own default of 5 counts.
        local_errors=(spec.get("consecutiveLocalOriginFailures") or None) if splits else None,
        splits_local=splits,
        panic_percent=spec.get("minHealthPercent") or None,
    )


def _balancer(spec: Spec) -> ir.Balancer:
    hashed = spec.get("consistentHash")
    if hashed and hashed.get("maglev") is not None:
        return ir.Balancer(kind="MAGLEV", size=hashed["maglev"].get("tableSize") or None)
    if hashed:
        size = (hashed.get("ringHash") or {}).get("minimumRingSize") or hashed.get("minimumRingSize") or RING
        return ir.Balancer(kind="RING_HASH", size=min(LARGEST_RING, size))
    simple = spec.get("simple", "")
    return ir.Balancer(kind=simple if simple in BALANCERS else "LEAST_REQUEST", slow_start=_slow_start(spec))


def _slow_start(spec: Spec) -> ir.SlowStart | None:
    warm = spec.get("warmup")
    window = (warm or {}).get("duration") or spec.get("warmupDurationSecs")
    if not window:
        return None
    if warm is None:
        return ir.SlowStart(window=durations.seconds(window))
    least, aggression = warm.get("minimumPercent"), warm.get("aggression")
    return ir.SlowStart(
        window=durations.seconds(window),
        least_percent=10 if least is None else least,
        aggression=1 if aggression is None else aggression,
    )


def hashes(spec: Spec) -> tuple[ir.Hash, ...]:
    """What a ``consistentHash`` looks at; nothing where it names no part of a request."""
    if spec.get("httpHeaderName"):
        return (ir.Hash(kind="header", name=spec["httpHeaderName"]),)
    if spec.get("httpCookie"):
        return (_cookie(spec["httpCookie"]),)
    if spec.get("useSourceIp"):
        return (ir.Hash(kind="source"),)
    if spec.get("httpQueryParameterName"):
        return (ir.Hash(kind="query", name=spec["httpQueryParameterName"]),)
    return ()


def _cookie(spec: Spec) -> ir.Hash:
    return ir.Hash(
        kind="cookie",
        name=spec.get("name", ""),
        path=spec.get("path") or "",
        ttl=durations.seconds(spec["ttl"]) if spec.get("ttl") is not None else None,
        attributes=tuple((a.get("name") or "", a.get("value") or "") for a in spec.get("attributes") or ()),
    )
