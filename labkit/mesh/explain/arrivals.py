"""What the other end does with a request: whether it has to come by mutual TLS, and which policy admits it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.ambient import decisions, enrolment, tables
from labkit.mesh.explain import access, mutual_tls
from labkit.mesh.explain.access import NearMiss, Workload
from labkit.mesh.explain.explanations import Explanation
from labkit.mesh.model import Snapshot
from labkit.mesh.policies.decisions import Caller, Decision, Request


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One decision at one workload."""

    step: str
    """``authentication`` or ``authorization``."""

    workload: str
    what: str
    object: str = ""
    """``AuthorizationPolicy default/viewer``; empty where no object has a say."""

    field: str = ""
    """``spec.rules[0]``."""

    is_refused: bool = False


def at_gateway(snapshot: Snapshot, gateway: Workload, request: Request) -> list[Arrival]:
    """What the gateway itself asks of a caller from outside, before any route counts."""
    decision = access.Mesh(snapshot).decide(Caller(), gateway, request)
    return [_authorization(gateway.name, decision, ())]


def of(snapshot: Snapshot, caller: Workload, explanation: Explanation, request: Request) -> list[Arrival]:
    """At each workload that the request may be sent to, in the order of the route's destinations."""
    mesh = access.Mesh(snapshot)
    pods = {str((pod.get("status") or {}).get("podIP")): pod for pod in snapshot.of("pods")}
    arrivals: dict[str, list[Arrival]] = {}
    for destination in explanation.destinations:
        for endpoint in destination.endpoints:
            address, _, port = endpoint.rpartition(":")
            server = next(iter(access.workloads([pods[address]])), None) if address in pods else None
            if server is not None and server.name not in arrivals:
                host = destination.cluster.rpartition("|")[2]
                entered = list(_at(snapshot, mesh, caller, server, host, int(port or 0), request))
                if enrolment.is_redirected(pods[address]) and not any(arrival.is_refused for arrival in entered):
                    entered[-1:] = [_at_ztunnel(snapshot, caller, pods[address], server, int(port or 0))]
                arrivals[server.name] = entered
    return [arrival for of_server in arrivals.values() for arrival in of_server]


def _at(
    snapshot: Snapshot,
    mesh: access.Mesh,
    caller: Workload,
    server: Workload,
    host: str,
    port: int,
    request: Request,
) -> Iterator[Arrival]:
    rows = mutual_tls.of_host(snapshot, host, client=caller.namespace, labels=caller.labels)
    of_port = [r for r in rows if r.port == port]
    row = next((r for r in of_port if r.workload == server.name), next(iter(of_port), None))
    is_mutual = caller.has_proxy and (row is None or row.meshed_clients in mutual_tls.CERTIFIED)
    if row is not None:
        sent = row.meshed_clients if caller.has_proxy else "plain text"
        is_refused = row.mode == mutual_tls.STRICT and not is_mutual
        what = f"{sent} meets mode {row.mode}{': refused' if is_refused else ''}"
        yield Arrival(
            step="authentication",
            workload=server.name,
            what=what,
            object=row.policy,
            field="spec.mtls",
            is_refused=is_refused,
        )
        if is_refused:
            return
    domain = model.trust_domain(snapshot.mesh_config)
    who = Caller(principal=caller.principal(domain) if is_mutual else "", address=caller.address)
    asked = Request(
        port=port,
        address=server.address,
        method=request.method,
        host=request.host,
        path=request.path,
        headers=request.headers,
    )
    decision = mesh.decide(who, server, asked)
    yield _authorization(server.name, decision, () if decision.is_allowed else mesh.lacking(who, server, asked))


def _at_ztunnel(snapshot: Snapshot, caller: Workload, pod: Object, server: Workload, port: int) -> Arrival:
    """What ztunnel says of a tunnel to a pod: it knows connections, not requests."""
    domain = model.trust_domain(snapshot.mesh_config)
    uid = f"{names.CLUSTER}//Pod/{resources.namespace_of(pod)}/{resources.name_of(pod)}"
    principal = caller.principal(domain).removeprefix("spiffe://")
    connection = decisions.Connection(
        principal=principal, source_ip=caller.address, destination_ip=server.address, destination_port=port
    )
    decision = decisions.decide(tables.of(snapshot), uid, connection)
    policy = f"AuthorizationPolicy {decision.policy}" if decision.policy else ""
    because = policy or ("no policy speaks of it" if decision.is_allowed else "no ALLOW policy matches the connection")
    verdict = "allowed" if decision.is_allowed else "ztunnel closes the tunnel, and the caller's Envoy answers 503"
    return Arrival(
        step="authorization",
        workload=server.name,
        what=f"{verdict}: {because}",
        object=policy,
        is_refused=not decision.is_allowed,
    )


def _authorization(workload: str, decision: Decision, lacking: Sequence[NearMiss]) -> Arrival:
    verdict = "allowed" if decision.is_allowed else "refused with 403 RBAC: access denied"
    reasons = [access.because(decision), *map(str, lacking[:1])]
    # A refusal without a rule of its own is told at the rule that would have let the request in, had it asked for less.
    rule = lacking[0].rule if lacking else decision.rule
    number, policy = access.rule_number(rule), access.policy(rule)
    return Arrival(
        step="authorization",
        workload=workload,
        what=f"{verdict}: {'; '.join(reasons)}",
        object=policy,
        field="" if number is None else f"spec.rules[{number}]",
        is_refused=not decision.is_allowed,
    )
