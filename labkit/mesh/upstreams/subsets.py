"""Hosts and their DestinationRules as upstreams: one for each port, and one more for each subset."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.mesh import ir, model, names, protocols
from labkit.mesh.hosts.services import Endpoint, Port, Service
from labkit.mesh.upstreams import traffic_policy, typed_policy
from labkit.mesh.upstreams.destination_rules import Rule

ORIGINAL = "ORIGINAL_DST"
FORWARD = "FORWARD"
"""The kind of resolution DYNAMIC_DNS: Envoy resolves the host of each request."""

HTTP, TCP = "http", "tcp"
KINDS = {"DNS": "STRICT_DNS", "DNS_ROUND_ROBIN": "LOGICAL_DNS", "DYNAMIC_DNS": FORWARD, "NONE": ORIGINAL}
LOOKED_UP = ("STRICT_DNS", "LOGICAL_DNS")
"""Kinds whose endpoints are names that Envoy looks up itself."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """The proxy that calls."""

    is_gateway: bool
    mesh: Mapping[str, Any] = field(default_factory=dict)
    """The mesh's own configuration."""

    sends_hbone: bool = False
    """Whether it reaches ambient pods by HBONE; otherwise it sends them plaintext."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One upstream of a service: a port and, for a subset, its name."""

    port: Port
    subset: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: traffic_policy.Policy
    marks: bool
    """Whether endpoints stay marked for mutual TLS."""


def of_service(service: Service, rule: Rule | None, client: Client) -> Iterator[ir.Upstream]:
    """The upstreams of a host."""
    for port in service.ports:
        if port.protocol != "UDP":
            for target in _targets(port, rule, client.mesh):
                upstream = _upstream(service, target, rule, client)
                # Where there is no name to look up Istio has no cluster.
                if upstream.endpoints or upstream.kind not in LOOKED_UP:
                    yield upstream


def _targets(port: Port, rule: Rule | None, mesh: Mapping[str, Any]) -> Iterator[Target]:
    host = rule.policy if rule else None
    yield Target(
        port=port,
        policy=traffic_policy.with_mesh(traffic_policy.for_port(host, port.number), mesh),
        marks=traffic_policy.marks_endpoints(host, None, port.number),
    )
    for subset in _subsets(rule):
        own = subset.get("trafficPolicy")
        yield Target(
            port=port,
            subset=subset["name"],
            labels=subset.get("labels") or {},
            policy=traffic_policy.with_mesh(traffic_policy.for_subset(host, own, port.number), mesh),
            marks=traffic_policy.marks_endpoints(host, own, port.number),
        )


def _subsets(rule: Rule | None) -> Iterable[Mapping[str, Any]]:
    """The subsets of a rule; the first of a name counts."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for subset in rule.subsets if rule else ():
        by_name.setdefault(subset["name"], subset)
    return by_name.values()


def hash_policies(rule: Rule | None, subset: str, port: int) -> tuple[ir.Hash, ...]:
    """What decides which endpoint a request goes to, where the rule asks for a consistent hash.

    ``port`` is the one that the destination names, 0 for none: then no ``portLevelSettings`` are looked at. The subset
    comes before the host, and in each the port before the rest; an entry without a hash hides none.
    """
    if rule is None:
        return ()
    own = next((s for s in rule.subsets if s["name"] == subset), None) if subset else None
    for policy in ((own or {}).get("trafficPolicy"), rule.policy):
        for part in (traffic_policy.port_entry(policy or {}, port), policy):
            hashed = ((part or {}).get("loadBalancer") or {}).get("consistentHash")
            if hashed is not None:
                return typed_policy.hashes(hashed)
    return ()


def _upstream(service: Service, target: Target, rule: Rule | None, client: Client) -> ir.Upstream:
    policy, port = target.policy, target.port
    through = service.entrances.get(port.number, ()) if client.is_gateway and client.sends_hbone else ()
    # A subset's labels are those of pods: behind a waypoint it is the waypoint that chooses among them.
    ready = list(through) or [
        e for e in service.endpoints.get(port.number, ()) if target.labels.items() <= e.labels.items()
    ]
    kind = _kind(service, policy, is_gateway=client.is_gateway)
    tls, by_endpoint = _tls(service, target, kind, ready, client, rule)
    return ir.Upstream(
        name=names.upstream_name(port.number, target.subset, service.host),
        host=service.host,
        service=service.name,
        namespace=service.namespace,
        kind=kind,
        http=_http(port.protocol, policy, tls, is_gateway=client.is_gateway),
        tls=tls,
        is_tls_by_endpoint=by_endpoint,
        policy=typed_policy.read(policy),
        endpoints=tuple(_endpoints(kind, ready if target.marks else map(_unmarked, ready))),
        priorities=_priorities(policy),
        source=names.config_path("destination-rule", rule.namespace, rule.name) if rule else "",
        tunnels_by_endpoint=client.sends_hbone and kind == "EDS",
    )


def behind_waypoint(service: Service, rule: Rule | None, mesh: Mapping[str, Any]) -> Iterator[ir.Upstream]:
    """A host's upstreams at its waypoint: HTTP, TCP, or both for a port whose protocol is not declared."""
    client = Client(is_gateway=False, mesh=mesh)
    for port in service.ports:
        for target in _targets(port, rule, mesh) if port.protocol != "UDP" else ():
            upstream = _upstream(service, target, rule, client)
            for kind in kinds_behind_waypoint(port):
                subset = f"{kind}/{target.subset}" if target.subset else kind
                # Tunnels encrypt; TLS of its own is for hosts outside, as a rule says.
                is_encrypted = upstream.tls is not None and upstream.tls.kind != "istio"
                yield replace(
                    upstream,
                    name=names.waypoint_upstream(port.number, subset, service.host),
                    subset=subset,
                    http=upstream.http if kind == HTTP else "",
                    tls=upstream.tls if is_encrypted else None,
                    is_tls_by_endpoint=False,
                    tunnels=not is_encrypted,
                )


def kinds_behind_waypoint(port: Port) -> tuple[str, ...]:
    """``http``, ``tcp``, or both where only the first bytes of a connection tell."""
    if port.protocol == protocols.UNKNOWN:
        return TCP, HTTP
    return (HTTP,) if protocols.is_http(port.protocol) else (TCP,)


def of_app(
    port: int,
    protocol: str,
    policy: traffic_policy.Policy,
    *,
    services: tuple[Service, ...],
    pool: Mapping[str, Any] | None = None,
    address: str = "",
    app_port: int = 0,
) -> ir.AppUpstream:
    """The app of a sidecar: of a DestinationRule only what pools of connections and retry budgets say counts here.

    ``pool`` is the ``connectionPool`` of a Sidecar object, which replaces the rule's.
    """
    kept: dict[str, Any] = {key: policy[key] for key in ("connectionPool", "retryBudget") if key in policy}
    if pool is not None:
        kept["connectionPool"] = pool
    http = (kept.get("connectionPool") or {}).get("http") or {}
    # Upgrades to HTTP/2 are for clients.
    without_upgrade = {
        "connectionPool": {**(kept.get("connectionPool") or {}), "http": {**http, "h2UpgradePolicy": ""}}
    }
    return ir.AppUpstream(
        number=port,
        address=address,
        port=app_port or port,
        http=_http(protocol, without_upgrade, None, is_gateway=False),
        policy=typed_policy.read(kept),
        services=services,
    )


def _endpoints(kind: str, ready: Iterable[Endpoint]) -> Iterable[Endpoint]:
    """The endpoints that Envoy accepts in a cluster of a kind; one without an address (another network) is dropped."""
    if kind in (ORIGINAL, FORWARD):
        return ()
    ready = (e for e in ready if e.address)
    if kind == "LOGICAL_DNS":
        # Envoy wants exactly one, and refuses what Istio sends for several workloads.
        return itertools.islice(ready, 1)
    # Nobody looks names up that come as endpoints: Istio leaves them out.
    return ready if kind in LOOKED_UP else (e for e in ready if not names.is_host(e.address))


def _kind(service: Service, policy: traffic_policy.Policy, *, is_gateway: bool) -> str:
    if (policy.get("loadBalancer") or {}).get("simple") == "PASSTHROUGH":
        return ORIGINAL
    kind = ORIGINAL if service.is_headless else KINDS.get(service.resolution, "EDS")
    # A gateway has no original destination to go to, and looks no names of requests up.
    return "EDS" if kind in (ORIGINAL, FORWARD) and is_gateway else kind


def _http(protocol: str, policy: traffic_policy.Policy, tls: ir.Tls | None, *, is_gateway: bool) -> str:
    http = (policy.get("connectionPool") or {}).get("http") or {}
    if http.get("useClientProtocol"):
        return "client"
    if protocol in protocols.HTTP2:
        return "2"
    if http.get("h2UpgradePolicy") == "UPGRADE" and protocol == "HTTP":
        return "2"
    if protocol == protocols.UNKNOWN and not is_gateway:
        return "client"
    tcp = (policy.get("connectionPool") or {}).get("tcp") or {}
    is_tuned = any(http.get(k) for k in ("maxRequestsPerConnection", "idleTimeout", "maxConcurrentStreams"))
    is_tuned |= any(tcp.get(k) for k in ("maxConnectionDuration", "idleTimeout"))
    is_named_by_request = tls is not None and tls.kind != "istio" and not tls.sni
    return "1" if is_tuned or is_named_by_request else ""


def _tls(
    service: Service, target: Target, kind: str, ready: Sequence[Endpoint], client: Client, rule: Rule | None
) -> tuple[ir.Tls | None, bool]:
    """(TLS, whether only for endpoints that are marked)."""
    spec = target.policy.get("tls") or {}
    mode = spec.get("mode", "DISABLE") if spec else ""
    own = ir.Tls(
        kind="istio",
        sni=spec.get("sni") or f"outbound_.{target.port.number}_.{target.subset}_.{service.host}",
        names=tuple(spec.get("subjectAltNames") or service.certified_names or _identities(service, client.mesh)),
        certificate="default",
        authority="ROOTCA",
    )
    if mode == "ISTIO_MUTUAL":
        return own, False
    if mode in ("SIMPLE", "MUTUAL"):
        has_secrets = client.is_gateway or (rule is not None and rule.clients is not None)
        return _foreign_tls(service, spec, mode, has_secrets=has_secrets), False
    if mode or service.is_external or service.is_plain or client.mesh.get("enableAutoMtls") is False:
        return None, False
    if kind == ORIGINAL or service.resolution == "NONE":
        # Nothing marks an address that is not known beforehand: all endpoints speak mutual TLS, or none is asked to.
        return (own if ready and all(e.speaks_mtls for e in ready) else None), False
    return own, True


def _identities(service: Service, mesh: Mapping[str, Any]) -> Iterator[str]:
    for domain in model.trust_domains(mesh):
        yield from (names.spiffe(account, domain) for account in service.accounts)


def _foreign_tls(service: Service, spec: Mapping[str, Any], mode: str, *, has_secrets: bool) -> ir.Tls | None:
    """TLS with others' certificates; sidecars take Secrets only from a rule with a ``workloadSelector``."""
    credential = spec.get("credentialName")
    if credential and not has_secrets:
        return None  # Sidecars send plaintext then, and nobody says so (answered by a real 1.31: `tls-modes`).
    certificate = ""
    if mode == "MUTUAL":
        files = f"file-cert:{spec.get('clientCertificate', '')}~{spec.get('privateKey', '')}"
        certificate = f"kubernetes://{credential}" if credential else files
    trusted = (
        f"kubernetes://{credential}-cacert" if credential else f"file-root:{spec.get('caCertificates') or 'system'}"
    )
    skips = bool(spec.get("insecureSkipVerify"))
    return ir.Tls(
        kind="credential" if credential else "files",
        sni=spec.get("sni") or "",
        names=tuple(spec.get("subjectAltNames") or service.certified_names),
        certificate=certificate,
        authority="" if skips else trusted,
        revoked_file="" if skips or credential else str(spec.get("caCrl") or ""),
        skips_verification=skips,
    )


def _unmarked(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, speaks_mtls=False) if endpoint.speaks_mtls else endpoint


def _priorities(policy: traffic_policy.Policy) -> tuple[str, ...]:
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    if setting.get("enabled") is False or policy.get("outlierDetection") is None:
        return ()
    return tuple(setting.get("failoverPriority") or ())
