"""Canned frames of the views about what is refused: circuits, limits, policies, certificates and mutual TLS."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.lab.gallery.exhibit import Exhibit
from labkit.mesh.explain.matrix import PATHS, Cell
from labkit.mesh.explain.mutual_tls import MUTUAL, PERMISSIVE, STRICT, Port
from labkit.telemetry.certificates import OWN, Certificate, Held
from labkit.views import certificates, circuits, limits, mutualtls, policies

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)

CALLS = {
    "productpage-v1": ("details", "reviews"),
    "details-v1": (),
    "reviews-v1": (),
    "reviews-v2": ("ratings",),
    "reviews-v3": ("ratings",),
    "ratings-v1": (),
}
"""Whom each workload of Bookinfo may call when a policy allows what it needs."""

SERVICES = ("details", "productpage", "ratings", "reviews")


def exhibits() -> Iterator[Exhibit]:
    """From circuits to mutual TLS."""
    yield Exhibit(
        heading="Circuits: limits in use, refusals and ejected endpoints",
        call='lab.circuits("productpage")',
        lesson="10",
        view=circuit_panel(),
    )
    yield Exhibit(
        heading="Who each proxy is, and for how long that is certified",
        call="lab.certificates()",
        lesson="11",
        view=certified(),
    )
    yield Exhibit(
        heading="Mutual TLS of a service: modes, deciders and clients",
        call='lab.mtls("reviews")',
        lesson="11",
        view=mutualtls.MutualTls(host="reviews.default.svc.cluster.local", ports=PORTS),
    )
    yield Exhibit(
        heading="Who may call whom: what policies say beside what was measured",
        call="lab.policies()",
        lesson="12",
        view=matrix(),
    )
    yield Exhibit(
        heading="Rate limits: what is left, allowed and refused",
        call='lab.limits("productpage")',
        lesson="14",
        view=limits.LimitView.of_rows("productpage", LIMITS),
    )


def upstream(subset: str, **more: Any) -> Mapping[str, Any]:
    """A row of the circuit panel: one healthy endpoint, ten connections at most."""
    endpoint = {"address": "127.66.0.7:9080", "state": "healthy", "requests": 1, "errors": 0}
    row = {"service": "reviews", "port": "9080", "subset": subset, "open": (), "refused": 0, "ejections": 0}
    counts = {"connections": (1, 10), "waiting": (0, None), "requests": (1, None), "ejected": 0}
    return {**row, **counts, "endpoints": (endpoint,), **more}


EJECTED = {"address": "127.66.0.9:9080", "state": "ejected", "requests": 0, "errors": 5}
CIRCUITS = (
    upstream("v1"),
    upstream("v2", open=("connections",), connections=(10, 10), refused=37),
    upstream("v3", ejections=1, ejected=1, endpoints=(*upstream("v3")["endpoints"], EJECTED)),
)


def circuit_panel() -> circuits.CircuitView:
    """Three upstreams, and events of times that stay the same."""
    view = circuits.CircuitView.of_rows("productpage-v1", CIRCUITS)
    view.events = [{**event, "time": f"{NOW:%H:%M:%S}"} for event in view.events]
    return view


LIMITS: tuple[Mapping[str, Any], ...] = (
    {
        "where": "proxy",
        "name": "productpage",
        "most": 4,
        "per": 8.0,
        "shadow": 0,
        "allowed": 4,
        "refused": 6,
    },
    {
        "where": "service",
        "name": "bookinfo.tenant_silver",
        "most": 10,
        "per": 60.0,
        "shadow": 1,
        "allowed": 2,
        "refused": 0,
    },
)


def certificate(serial: str, *, subject: str, left: float) -> Certificate:
    """One that ends ``left`` seconds from ``NOW``."""
    begins, ends = NOW - datetime.timedelta(minutes=2, seconds=20), NOW + datetime.timedelta(seconds=left)
    return Certificate(subject=subject, issuer="O=cluster.local", serial=serial, begins=begins, ends=ends)


def held(app: str, serial: str) -> Held:
    """The own certificate of the one pod of an application."""
    identity = f"spiffe://cluster.local/ns/default/sa/bookinfo-{app}"
    root = certificate("4c1", subject="O=cluster.local", left=86400.0 * 400)
    return Held(proxy=f"{app}-v1", name=OWN, chain=[certificate(serial, subject=identity, left=40.0)], roots=[root])


def certified() -> certificates.CertificateView:
    """Two looks, and a rotation between them."""
    looks = iter([[held("details", "a1"), held("ratings", "b1")], [held("details", "a2"), held("ratings", "b1")]])
    return certificates.CertificateView(lambda: next(looks), every=None, clock=lambda: NOW).look().look()


def port(workload: str, *, mode: str, decided_by: str, other_clients: str) -> Port:
    """A port of a pod of reviews, to which clients with a sidecar send mutual TLS."""
    return Port(
        workload=workload,
        port=9080,
        service_port=9080,
        mode=mode,
        decided_by=decided_by,
        meshed_clients=MUTUAL,
        because="auto mTLS",
        other_clients=other_clients,
    )


PORTS = (
    port("reviews-v1", mode=STRICT, decided_by="PeerAuthentication default/strict", other_clients="refused"),
    port("reviews-v2", mode=PERMISSIVE, decided_by="no PeerAuthentication", other_clients="accepted"),
)


def cell(caller: str, service: str, *, is_allowed: bool) -> Cell:
    """A GET request, and the policy of the service that decides it."""
    policy = f"AuthorizationPolicy default/{service}-viewer"
    because = f"rule 1 of {policy} (ALLOW)" if is_allowed else "no ALLOW rule applies"
    return Cell(
        caller=caller,
        service=service,
        method="GET",
        path=PATHS[service],
        port=9080,
        is_allowed=is_allowed,
        because=because,
        policy=policy,
    )


def matrix() -> policies.PolicyView:
    """Bookinfo closed call by call; one refused call was answered all the same."""
    cells = [cell(caller, service, is_allowed=service in CALLS[caller]) for caller in CALLS for service in SERVICES]
    statuses = {(c.caller, c.service): 200 if c.is_allowed else 403 for c in cells}
    statuses["reviews-v1", "ratings"] = 200
    return policies.PolicyView(lambda: cells, lambda _: statuses).look()
