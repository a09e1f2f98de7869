"""Tokens of end users, signed by the key of the lessons: no identity provider and no network is needed."""

import base64
import functools
import json
import time
from importlib import resources
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "lessons@labkit.example"
"""Who issues the lessons' tokens."""

KEY_ID = "lessons"
LIFETIME = 3600.0
"""Seconds for which a token is good."""


class Token(str):
    """A token as it is sent; it shows what it claims, not the signed text."""

    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def bearer(self) -> dict[str, str]:
        """The header that carries it: ``lab.send("/productpage", headers=token.bearer)``."""
        return {"Authorization": f"Bearer {self}"}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.claims.items() if name not in ("iat", "exp"))
        return f"Token({self.header['alg']}, {shown}, {self.claims['exp'] - self.claims['iat']:g} s from its issue)"


def token(
    subject: str,
    *,
    issuer: str = ISSUER,
    lifetime: float = LIFETIME,
    is_forged: bool = False,
    algorithm: str = "RS256",
    now: float | None = None,
    **claims: Any,
) -> Token:
    """A token for ``subject``; ``claims`` stand beside it: ``groups=["admins"]``, ``aud="shop"``.

    A negative ``lifetime`` gives one that has expired that many seconds ago. ``is_forged`` signs by a key that nobody
    knows, and the algorithm ``none`` does not sign at all.
    """
    issued = int(time.time() if now is None else now)
    start = issued + int(lifetime) - 1 if lifetime < 0 else issued
    header = {"alg": algorithm, "typ": "JWT", **({} if algorithm == "none" else {"kid": KEY_ID})}
    payload = {"iss": issuer, "sub": subject, "iat": start, "exp": issued + int(lifetime), **claims}
    signed = f"{_encoded(header)}.{_encoded(payload)}"
    token = Token(f"{signed}.{_signature(signed, is_forged=is_forged) if algorithm != 'none' else ''}")
    token.header, token.claims = header, payload
    return token


def jwks() -> str:
    """The public key by which proxies check the lessons' tokens, for ``jwks`` of a RequestAuthentication."""
    numbers = _key().public_key().public_numbers()
    key = {"kty": "RSA", "kid": KEY_ID, "use": "sig", "alg": "RS256", "e": _number(numbers.e), "n": _number(numbers.n)}
    return json.dumps({"keys": [key]}, separators=(",", ":"))


def _signature(text: str, *, is_forged: bool) -> str:
    key = _foreign_key() if is_forged else _key()
    return _base64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    pem = resources.files(__package__).joinpath("data", "lesson-key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@functools.cache
def _foreign_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
