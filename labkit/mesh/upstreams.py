"""Hosts and their DestinationRules as upstreams: one for each port, and one more for each subset."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from labkit.mesh import durations, ir, names, policies, protocols
from labkit.mesh.rules import Rule
from labkit.mesh.services import Endpoint, Port, Service

ORIGINAL = "ORIGINAL_DST"
FORWARD = "FORWARD"
"""Wherever the request's own host leads: what stands for the original destination where nothing is captured."""

KINDS = {"DNS": "STRICT_DNS", "DNS_ROUND_ROBIN": "LOGICAL_DNS", "NONE": ORIGINAL}


def of_service(service: Service, rule: Rule | None, *, is_gateway: bool, captures: bool) -> Iterator[ir.Upstream]:
    """The upstreams of a host; ``captures`` where a proxy knows which address a connection was meant for."""
    for port in service.ports:
        if port.protocol == "UDP":
            continue
        host_policy = rule.policy if rule else None
        policy = policies.for_port(host_policy, port.number)
        marks = policies.marks_endpoints(host_policy, None, port.number)
        yield _upstream(service, port, "", policy, rule, is_gateway=is_gateway, captures=captures, marks=marks)
        for subset in rule.subsets if rule else ():
            own = policies.for_subset(host_policy, subset.get("trafficPolicy"), port.number)
            marks = policies.marks_endpoints(host_policy, subset.get("trafficPolicy"), port.number)
            labels = subset.get("labels") or {}
            yield _upstream(
                service,
                port,
                subset["name"],
                own,
                rule,
                is_gateway=is_gateway,
                captures=captures,
                labels=labels,
                marks=marks,
            )


def hash_policies(service: Service | None, rule: Rule | None, subset: str, port: int) -> tuple[dict[str, Any], ...]:
    """What decides which endpoint a request goes to, where the rule asks for a consistent hash."""
    if service is None or rule is None:
        return ()
    own = next((s for s in rule.subsets if s["name"] == subset), None) if subset else None
    policy = policies.for_subset(rule.policy, own.get("trafficPolicy") if own else None, port)
    said = (policy.get("loadBalancer") or {}).get("consistentHash") or {}
    if said.get("httpHeaderName"):
        return ({"header": {"header_name": said["httpHeaderName"]}},)
    if said.get("httpCookie"):
        return ({"cookie": _cookie(said["httpCookie"])},)
    if said.get("useSourceIp"):
        return ({"connection_properties": {"source_ip": True}},)
    if said.get("httpQueryParameterName"):
        return ({"query_parameter": {"name": said["httpQueryParameterName"]}},)
    return ()


def _cookie(said: Mapping[str, Any]) -> dict[str, Any]:
    found = {"name": said.get("name", "")}
    if said.get("path"):
        found["path"] = said["path"]
    if said.get("ttl") is not None:
        found["ttl"] = durations.proto(said["ttl"])
    return found


def _upstream(
    service: Service,
    port: Port,
    subset: str,
    policy: policies.Policy,
    rule: Rule | None,
    *,
    is_gateway: bool,
    captures: bool,
    marks: bool,
    labels: Mapping[str, str] | None = None,
) -> ir.Upstream:
    ready = [e for e in service.endpoints.get(port.number, ()) if (labels or {}).items() <= e.labels.items()]
    kind = _kind(service, policy, is_gateway=is_gateway)
    if kind == ORIGINAL and not captures and not is_gateway:
        kind = "EDS" if ready else FORWARD
    tls, by_endpoint = _tls(service, port, subset, policy, kind, ready, is_gateway=is_gateway)
    return ir.Upstream(
        name=names.upstream_name(port.number, subset, service.host),
        host=service.host,
        service=service.name,
        namespace=service.namespace,
        kind=kind,
        http=_http(port.protocol, policy, tls, is_gateway=is_gateway),
        tls=tls,
        is_tls_by_endpoint=by_endpoint,
        policy=policy,
        endpoints=() if kind in (ORIGINAL, FORWARD) else tuple(ready if marks else map(_unmarked, ready)),
        priorities=_priorities(policy),
        source=names.config_path("destination-rule", rule.namespace, rule.name) if rule else "",
    )


def _kind(service: Service, policy: policies.Policy, *, is_gateway: bool) -> str:
    if (policy.get("loadBalancer") or {}).get("simple") == "PASSTHROUGH":
        return ORIGINAL
    kind = ORIGINAL if service.is_headless else KINDS.get(service.resolution, "EDS")
    # A gateway has no original destination to go to.
    return "EDS" if kind == ORIGINAL and is_gateway else kind


def _http(protocol: str, policy: policies.Policy, tls: ir.Tls | None, *, is_gateway: bool) -> str:
    said = (policy.get("connectionPool") or {}).get("http") or {}
    if said.get("useClientProtocol"):
        return "client"
    if protocol in protocols.HTTP2:
        return "2"
    if said.get("h2UpgradePolicy") == "UPGRADE" and protocol == "HTTP":
        return "2"
    if protocol == protocols.UNKNOWN and not is_gateway:
        return "client"
    is_tuned = any(said.get(k) for k in ("maxRequestsPerConnection", "idleTimeout", "maxConcurrentStreams"))
    is_named_by_request = tls is not None and tls.kind != "istio" and not tls.sni
    tcp = (policy.get("connectionPool") or {}).get("tcp") or {}
    return "1" if is_tuned or is_named_by_request or tcp.get("maxConnectionDuration") else ""


def _tls(
    service: Service,
    port: Port,
    subset: str,
    policy: policies.Policy,
    kind: str,
    ready: Sequence[Endpoint],
    *,
    is_gateway: bool,
) -> tuple[ir.Tls | None, bool]:
    """(TLS, whether only for endpoints that are marked)."""
    said = policy.get("tls") or {}
    mode = said.get("mode", "DISABLE") if said else ""
    own = ir.Tls(
        kind="istio",
        sni=said.get("sni") or f"outbound_.{port.number}_.{subset}_.{service.host}",
        names=tuple(said.get("subjectAltNames") or map(names.spiffe, service.accounts)),
        certificate="default",
        authority="ROOTCA",
    )
    if mode == "ISTIO_MUTUAL":
        return own, False
    if mode in ("SIMPLE", "MUTUAL"):
        return _foreign_tls(said, mode, is_gateway=is_gateway), False
    if mode or service.is_external:
        return None, False
    if kind == ORIGINAL:
        # Nothing marks an address that is not known beforehand: all endpoints speak mutual TLS, or none is asked to.
        return (own if ready and all(e.speaks_mtls for e in ready) else None), False
    return own, True


def _foreign_tls(said: Mapping[str, Any], mode: str, *, is_gateway: bool) -> ir.Tls | None:
    credential = said.get("credentialName")
    if credential and not is_gateway:
        return None  # Sidecars send plaintext then, and nobody says so (answered by a real 1.31: `tls-modes`).
    certificate = ""
    if mode == "MUTUAL":
        files = f"file-cert:{said.get('clientCertificate', '')}~{said.get('privateKey', '')}"
        certificate = f"kubernetes://{credential}" if credential else files
    trusted = (
        f"kubernetes://{credential}-cacert" if credential else f"file-root:{said.get('caCertificates') or 'system'}"
    )
    skips = bool(said.get("insecureSkipVerify"))
    return ir.Tls(
        kind="credential" if credential else "files",
        sni=said.get("sni") or "",
        names=tuple(said.get("subjectAltNames") or ()),
        certificate=certificate,
        authority="" if skips else trusted,
        skips_verification=skips,
    )


def _unmarked(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, speaks_mtls=False) if endpoint.speaks_mtls else endpoint


def _priorities(policy: policies.Policy) -> tuple[str, ...]:
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    if setting.get("enabled") is False or policy.get("outlierDetection") is None:
        return ()
    return tuple(setting.get("failoverPriority") or ())
