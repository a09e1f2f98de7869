"""Tokens of end users: whose are believed, where they are looked for, what becomes of them."""

from dataclasses import dataclass

from labkit.mesh.ir import bounds


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """One issuer of tokens."""

    issuer: str
    keys: str
    """Its public keys: a JWKS as text."""

    audiences: tuple[str, ...] = ()
    """One of them must be a token's; empty for any."""

    headers: tuple[tuple[str, str], ...] = ()
    """(name, what stands before the token) of headers that carry tokens."""

    parameters: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    """Where headers, parameters and cookies are empty: ``Authorization: Bearer`` and the parameter ``access_token``."""

    is_forwarded: bool = False
    """Whether the app sees the token."""

    payload_header: str = ""
    claim_headers: tuple[tuple[str, str], ...] = ()
    """(header, claim) that the app gets."""

    spaced_claims: tuple[str, ...] = ()
    """Claims whose text is a list with spaces between."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "issuer")


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a proxy believes. A request without a token passes; one with a token that nobody vouches for does not."""

    issuers: tuple[Issuer, ...]
    chooses_routes: bool = False
    """Whether claims decide about routes, as at gateways."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "issuers")
