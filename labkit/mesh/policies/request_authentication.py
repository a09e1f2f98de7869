"""RequestAuthentication: the tokens that a workload believes."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, ir

RESOURCE = "requestauthentications.security.istio.io"

DISCOVERY = "/.well-known/openid-configuration"

SPACED = ("scope", "permission")
"""Claims that are lists with spaces between, by their standards."""

NOBODYS_KEYS = (
    '{"keys":[{"kty":"RSA","e":"AQAB","n":"'
    "xisFYVhvmX3lS94_YihOWcoMP727ctW5vQLOrMfDYSAicsfPBeeZs71qATi06hm5V6Xc3aIR9LCwAWIVrEgaHQ"
    "IYdPlFipVBsIEdnm1t28e166oViVv6IRUmHcRbOlqX87yYT9fjYCi_KkOs6kbN5EThAG6Zdf5L-l6mvUCwiVi6"
    "MEZMgZ05GuxJX_G72XrPpS3pp1nt_fP27fqZBv0QcSjeJvQzC383iwDxMmZHAW64SpjdtkGbIBfjhskZKRQdBW"
    "2sGdVj2ce1jIo6qTybTAiaw0htc9mk9NyfH4HFovma0lANoK3n1P71UYIYItTKorEua885wKroeWcHAriHXQ"
    '"}]}'
)
"""What stands where keys could not be fetched: whoever has the private one is gone, so no token passes."""


def tokens(policies: Sequence[Object], keys: Mapping[str, str], *, chooses_routes: bool) -> ir.Tokens | None:
    """What a proxy believes to which these policies are attached; None where tokens are none of its business.

    ``keys`` are those fetched, by ``source``.
    """
    rules = [rule for policy in policies for rule in rules_of(policy)]
    if not rules:
        return None
    ordered = sorted(rules, key=lambda rule: str(rule.get("issuer", "")))
    return ir.Tokens(issuers=tuple(_issuer(rule, keys) for rule in ordered), chooses_routes=chooses_routes)


def rules_of(policy: Object) -> list[Mapping[str, Any]]:
    """``jwtRules`` of one."""
    with blame.naming(f"RequestAuthentication {resources.namespace_of(policy)}/{resources.name_of(policy)}"):
        return [dict(rule or {}) for rule in (policy.get("spec") or {}).get("jwtRules") or ()]


def source(rule: Mapping[str, Any]) -> str:
    """Where a rule's keys are fetched; empty where they stand in it. Without a URI the issuer is asked for one."""
    if rule.get("jwks"):
        return ""
    return str(rule.get("jwksUri") or rule.get("jwks_uri") or discovery(str(rule.get("issuer", ""))))


def discovery(issuer: str) -> str:
    """Where an issuer says where its keys are (OpenID Connect Discovery 1.0, section 4)."""
    return issuer.rstrip("/") + DISCOVERY


def _issuer(rule: Mapping[str, Any], keys: Mapping[str, str]) -> ir.Issuer:
    return ir.Issuer(
        issuer=str(rule.get("issuer", "")),
        keys=str(rule.get("jwks") or keys.get(source(rule)) or NOBODYS_KEYS),
        audiences=_texts(rule.get("audiences")),
        headers=tuple((str(h.get("name", "")), str(h.get("prefix") or "")) for h in rule.get("fromHeaders") or ()),
        parameters=_texts(rule.get("fromParams")),
        cookies=_texts(rule.get("fromCookies")),
        is_forwarded=bool(rule.get("forwardOriginalToken")),
        payload_header=str(rule.get("outputPayloadToHeader") or ""),
        claim_headers=tuple(
            (str(c.get("header", "")), str(c.get("claim", ""))) for c in rule.get("outputClaimToHeaders") or ()
        ),
        spaced_claims=tuple(dict.fromkeys((*SPACED, *_texts(rule.get("spaceDelimitedClaims"))))),
    )


def _texts(values: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())
