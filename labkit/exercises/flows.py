"""The ways of Bookinfo's requests, proxy by proxy, as checks follow them."""

from collections.abc import Mapping

from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.diagnosis.way import Hop
from labkit.exercises.evidence import GATEWAY, Evidence

REVIEWS = "/api/v1/products/0/reviews"
"""What the gateway is asked for; productpage asks reviews for it, and v2 and v3 ask ratings."""

PORT = 9080


def full(service: str, evidence: Evidence) -> str:
    """``reviews.default.svc.cluster.local``."""
    return f"{service}.{evidence.namespace}.svc.cluster.local"


def at_gateway(evidence: Evidence, path: str, *, service: str = "productpage", host: str = "") -> Hop:
    """A request from outside; ``host`` is what it names, else the gateway's address."""
    ask = Ask(proxy=GATEWAY, host=host or evidence.address(), path=path)
    return Hop(ask=ask, host=full(service, evidence))


def to_reviews(
    evidence: Evidence, shares: Mapping[str, float] | None = None, *, user: str = "", agent: str = ""
) -> tuple[Hop, ...]:
    """From outside by productpage to reviews, with the headers that productpage hands on."""
    headers = {name: value for name, value in (("end-user", user), ("user-agent", agent)) if value}
    ask = Ask(proxy="productpage", host=f"reviews:{PORT}", path="/reviews/0", headers=headers)
    return at_gateway(evidence, REVIEWS), Hop(ask=ask, host=full("reviews", evidence), shares=shares)


def to_details(evidence: Evidence) -> Hop:
    """From productpage to details."""
    ask = Ask(proxy="productpage", host=f"details:{PORT}", path="/details/0")
    return Hop(ask=ask, host=full("details", evidence))


def to_ratings(evidence: Evidence, *, version: str, user: str = "") -> Hop:
    """From a version of reviews to ratings."""
    headers = {"end-user": user} if user else {}
    ask = Ask(proxy=f"reviews-{version}", host=f"ratings:{PORT}", path="/ratings/0", headers=headers)
    return Hop(ask=ask, host=full("ratings", evidence))
