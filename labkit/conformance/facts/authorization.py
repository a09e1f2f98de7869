"""Facts 28 to 31: tokens of end users at the gateway and in the mesh, and the ladder of permissions on Bookinfo."""

from collections.abc import Callable, Mapping
from pathlib import Path

from labkit.base import waiting
from labkit.conformance.facts import clients, pages
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import B, Ground, Named
from labkit.traffic import tokens

ISSUER = "testing@secure.istio.io"
"""Issuer and subject of the tokens of Istio's tasks."""

REVIEWS_V3 = "bookinfo/networking/virtual-service-reviews-v3.yaml"
HTTPBIN = "http://httpbin:8000/ip"
LATE = 60.0
"""Seconds; a connection that was open before a policy gives one more old answer within 45 s on a real mesh."""

WITHIN_SKEW, BEYOND_SKEW = -30.0, -120.0
"""Lifetimes of tokens that have expired: Envoy allows 60 s."""


def _token(**claims: object) -> tokens.Token:
    return tokens.token(ISSUER, issuer=ISSUER, **claims)  # type: ignore[arg-type]


def _believing(ground: Ground, named: str) -> Path:
    return ground.filled(named, {"JWKS": tokens.jwks()})


def _at_gateway(ground: Ground, *files: Named) -> None:
    ground.deploy("httpbin/httpbin.yaml")
    gateway, subsets = B
    ground.rules(gateway, subsets, "httpbin-at-the-gateway.yaml", _believing(ground, "gateway-tokens.yaml"), *files)


def _outside(ground: Ground, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return pages.load(ground, path, headers=headers).status


def _inside(ground: Ground, token: str = "") -> str:
    return clients.status(ground, *(["-H", f"Authorization: Bearer {token}"] if token else []), HTTPBIN)


def _agree(checks: Checks, answers: Callable[[], Mapping[str, object]], asked: Mapping[str, object]) -> None:
    """All of them, as soon as the last proxy and its open connections have the change."""
    waiting.until(
        lambda: answers() == asked,
        what="the answers asked for",
        timeout=LATE,
        next_step="kubectl get authorizationpolicies,requestauthentications -A -o yaml",
        show=lambda _: str(answers()),
    )
    for name, status in answers().items():
        checks.equal(name, status, asked[name])


def _token_at_the_gateway(ground: Ground, checks: Checks) -> None:
    _at_gateway(ground)
    good, late, gone = _token(), _token(lifetime=WITHIN_SKEW), _token(lifetime=BEYOND_SKEW)
    sent = {"none": "", "deadbeef": "deadbeef", "valid": good, "30 s late": late, "120 s late": gone}
    asked = {"none": 200, "deadbeef": 401, "valid": 200, "30 s late": 200, "120 s late": 401}
    _agree(checks, lambda: {name: _outside(ground, "/headers", token) for name, token in sent.items()}, asked)


def _needed_at_the_gateway(ground: Ground, checks: Checks) -> None:
    _at_gateway(ground, "gateway-token-needed.yaml")
    _agree(
        checks,
        lambda: {"none": _outside(ground, "/headers"), "valid": _outside(ground, "/headers", _token())},
        {"none": 403, "valid": 200},
    )
    _at_gateway(ground, "gateway-token-for-headers.yaml")
    _agree(
        checks,
        lambda: {"/headers": _outside(ground, "/headers"), "/ip": _outside(ground, "/ip")},
        {"/headers": 403, "/ip": 200},
    )


def _in_the_mesh(ground: Ground, checks: Checks) -> None:
    ground.deploy("httpbin/httpbin.yaml")
    believing = _believing(ground, "httpbin-tokens.yaml")
    ground.rules(believing, "require-jwt.yaml")
    sent = {"valid": _token(), "none": "", "invalid": "invalidToken"}
    asked = {"valid": "200", "none": "403", "invalid": "401"}
    _agree(checks, lambda: {name: _inside(ground, token) for name, token in sent.items()}, asked)
    ground.rules(believing, "require-group.yaml")
    groups = {"in group1": _token(groups=["group1", "group2"]), "in no group": _token()}
    asked = {"in group1": "200", "in no group": "403"}
    _agree(checks, lambda: {name: _inside(ground, token) for name, token in groups.items()}, asked)


LADDER: tuple[tuple[tuple[Named, ...], tuple[int, bool, bool, bool]], ...] = (
    ((), (403, False, False, False)),
    (("productpage-viewer.yaml",), (200, False, False, False)),
    (("details-viewer.yaml", "reviews-viewer.yaml"), (200, True, True, False)),
    (("ratings-viewer.yaml",), (200, True, True, True)),
)
"""Policies that come one after the other → status, and whether details, reviews and stars are on the page."""


def _ladder(ground: Ground, checks: Checks) -> None:
    applied: list[Named] = ["allow-nothing.yaml"]
    for step, (files, asked) in enumerate(LADDER):
        applied += files
        ground.rules(*B, REVIEWS_V3, *applied)
        _agree(checks, lambda: {"page": _page(ground)}, {"page": asked})
        if step == 0:
            checks.see("RBAC: access denied", pages.load(ground).text == "RBAC: access denied")
    post = clients.status(ground, "-X", "POST", "http://productpage:9080/productpage")
    checks.equal("POST", post, "403")


def _page(ground: Ground) -> tuple[int, bool, bool, bool]:
    page = pages.load(ground)
    has_details = page.status == 200 and pages.NO_DETAILS not in page.text
    has_reviews = page.status == 200 and pages.NO_REVIEWS not in page.text
    return page.status, has_details, has_reviews, page.stars > 0


FACTS = (
    Fact(
        number=28,
        sentence="A RequestAuthentication at the gateway refuses bad tokens, and nobody for having none.",
        asked="none 200, deadbeef 401, valid 200; expired: 200 within 60 s of skew, then 401",
        measure=_token_at_the_gateway,
    ),
    Fact(
        number=29,
        sentence="To need a token, a DENY for notRequestPrincipals says so, for all paths or for one.",
        asked="none 403, valid 200; for /headers alone: /headers 403, /ip 200",
        measure=_needed_at_the_gateway,
    ),
    Fact(
        number=30,
        sentence="A workload may ask for a token's subject, and for a claim.",
        asked="valid 200, none 403, invalid 401; with a group: in group1 200, else 403",
        measure=_in_the_mesh,
    ),
    Fact(
        number=31,
        sentence="From allow-nothing on, each viewer policy of Bookinfo opens one more part of the page.",
        asked="403; page with both errors; details and reviews; stars; a POST stays 403",
        measure=_ladder,
    ),
)
