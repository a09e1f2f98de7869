"""Tokens of end users: checked, and their claims noted for whoever decides later."""

from labkit.mesh import ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.jwt_authn"
KIND = "extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def of_listener(http: ir.Http) -> Resource | None:
    """Only where a policy names issuers."""
    tokens = http.guard.tokens
    if tokens is None:
        return None
    names = [f"origins-{number}" for number in range(len(tokens.issuers))]
    providers = {
        name: _provider(issuer, chooses_routes=tokens.chooses_routes)
        for name, issuer in zip(names, tokens.issuers, strict=True)
    }
    rule = {"match": {"prefix": "/"}, "requires": _requirement(names)}
    return typed(NAME, KIND, providers=providers, rules=[rule], bypass_cors_preflight=True)


def _requirement(names: list[str]) -> Resource:
    """One token must be good, or each that is there, or there is none.

    The first alternative helps issuers that share a place: the token of one is never good for the other.
    """
    each = [{"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing": {}}]}} for name in names]
    if len(each) == 1:
        return each[0]
    one: list[Resource] = [{"provider_name": name} for name in names]
    return {"requires_any": {"requirements": [*one, {"requires_all": {"requirements": each}}]}}


def _provider(issuer: ir.Issuer, *, chooses_routes: bool) -> Resource:
    resource: Resource = {
        "issuer": issuer.issuer,
        "local_jwks": {"inline_string": issuer.keys},
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": list(issuer.spaced_claims)},
    }
    for key, value in (
        ("audiences", list(issuer.audiences)),
        ("from_headers", [_header(name, before) for name, before in issuer.headers]),
        ("from_params", list(issuer.parameters)),
        ("from_cookies", list(issuer.cookies)),
        ("forward", issuer.is_forwarded),
        ("forward_payload_header", issuer.payload_header),
        ("claim_to_headers", [{"header_name": h, "claim_name": c} for h, c in issuer.claim_headers]),
        ("clear_route_cache", chooses_routes),
    ):
        if value:
            resource[key] = value
    return resource


def _header(name: str, before: str) -> Resource:
    return {"name": name, "value_prefix": before} if before else {"name": name}


def of_route(route: ir.Route) -> Resource | None:
    """Routes say nothing to it."""
    return None
