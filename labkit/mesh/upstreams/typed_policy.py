"""A traffic policy as a DestinationRule writes it, read into numbers."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import durations, ir

Said = Mapping[str, Any]

LARGEST_RING = 8388608
"""What Envoy takes; Istio passes on any number, and Envoy refuses the cluster."""

RING = 1024
BALANCERS = ("ROUND_ROBIN", "RANDOM")
"""Every other word means LEAST_REQUEST, Istio's default."""


def read(policy: Said) -> ir.TrafficPolicy:
    """The policy that counts for one port and subset, its ``tls`` left out."""
    proxy_protocol = policy.get("proxyProtocol")
    return ir.TrafficPolicy(
        pool=pool(policy.get("connectionPool") or {}),
        outliers=_outliers(policy["outlierDetection"]) if policy.get("outlierDetection") is not None else None,
        balancer=_balancer(policy.get("loadBalancer") or {}),
        retry_budget=_budget(policy["retryBudget"]) if policy.get("retryBudget") is not None else None,
        proxy_protocol=str(proxy_protocol.get("version") or "V1") if proxy_protocol is not None else "",
    )


def pool(said: Said) -> ir.ConnectionPool:
    """A ``connectionPool``; 0 is no limit."""
    tcp, http = said.get("tcp") or {}, said.get("http") or {}
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


def _keepalive(said: Said) -> ir.Keepalive:
    return ir.Keepalive(
        probes=said.get("probes") or None, time=_seconds(said.get("time")), interval=_seconds(said.get("interval"))
    )


def _budget(said: Said) -> ir.RetryBudget:
    return ir.RetryBudget(percent=said.get("percent", 20), least=said.get("minRetryConcurrency", 3))


def _outliers(said: Said) -> ir.Outliers:
    splits = bool(said.get("splitExternalLocalOriginErrors"))
    return ir.Outliers(
        interval=_seconds(said.get("interval")),
        ejection_time=_seconds(said.get("baseEjectionTime")),
        max_ejected_percent=said.get("maxEjectionPercent") or None,
        errors=said.get("consecutive5xxErrors"),
        gateway_errors=said.get("consecutiveGatewayErrors"),
        local_errors=said.get("consecutiveLocalOriginFailures") if splits else None,
        splits_local=splits,
        panic_percent=said.get("minHealthPercent") or None,
    )


def _balancer(said: Said) -> ir.Balancer:
    hashed = said.get("consistentHash")
    if hashed and hashed.get("maglev") is not None:
        return ir.Balancer(kind="MAGLEV", size=hashed["maglev"].get("tableSize") or None)
    if hashed:
        size = (hashed.get("ringHash") or {}).get("minimumRingSize") or hashed.get("minimumRingSize") or RING
        return ir.Balancer(kind="RING_HASH", size=min(LARGEST_RING, size))
    simple = said.get("simple", "")
    return ir.Balancer(kind=simple if simple in BALANCERS else "LEAST_REQUEST", slow_start=_slow_start(said))


def _slow_start(said: Said) -> ir.SlowStart | None:
    warm = said.get("warmup")
    window = (warm or {}).get("duration") or said.get("warmupDurationSecs")
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


def hashes(said: Said) -> tuple[ir.Hash, ...]:
    """What a ``consistentHash`` looks at; nothing where it names no part of a request."""
    if said.get("httpHeaderName"):
        return (ir.Hash(kind="header", name=said["httpHeaderName"]),)
    if said.get("httpCookie"):
        return (_cookie(said["httpCookie"]),)
    if said.get("useSourceIp"):
        return (ir.Hash(kind="source"),)
    if said.get("httpQueryParameterName"):
        return (ir.Hash(kind="query", name=said["httpQueryParameterName"]),)
    return ()


def _cookie(said: Said) -> ir.Hash:
    return ir.Hash(
        kind="cookie",
        name=said.get("name", ""),
        path=said.get("path") or "",
        ttl=durations.seconds(said["ttl"]) if said.get("ttl") is not None else None,
        attributes=tuple((a.get("name") or "", a.get("value") or "") for a in said.get("attributes") or ()),
    )
