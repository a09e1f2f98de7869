"""Tokens of end users."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from labkit.traffic import tokens


def parts(token: str) -> list[dict[str, object]]:
    return [json.loads(decoded(part)) for part in token.split(".")[:2]]


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_token_says_who_by_whom_and_how_long() -> None:
    header, claims = parts(tokens.token("jason", groups=["admins"], now=1000.0))
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "lessons"}
    assert claims == {"iss": tokens.ISSUER, "sub": "jason", "iat": 1000, "exp": 4600, "groups": ["admins"]}


def test_the_published_key_fits_the_signature() -> None:
    key = json.loads(tokens.jwks())["keys"][0]
    e, n = (int.from_bytes(decoded(key[name])) for name in ("e", "n"))
    signed, _, signature = tokens.token("jason").rpartition(".")
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_an_unsigned_token_has_no_signature_and_an_expired_one_began_before_it_ended() -> None:
    assert tokens.token("jason", algorithm="none").endswith(".")
    _, claims = parts(tokens.token("jason", lifetime=-60, now=1000.0))
    assert claims["iat"] < claims["exp"] == 940  # type: ignore[operator]


def test_what_is_shown_of_a_token_is_not_the_token() -> None:
    token = tokens.token("jason", now=1000.0)
    assert repr(token) == "Token(RS256, iss='lessons@labkit.example', sub='jason', 3600 s from its issue)"
    assert token.bearer == {"Authorization": f"Bearer {token}"}
