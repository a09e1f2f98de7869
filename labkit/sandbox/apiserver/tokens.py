"""Tokens: the administrator's, kept in the kubeconfig, and those of service accounts, signed by the server."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from labkit.sandbox.apiserver import pki, store

ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMIN: Mapping[str, Any] = {
    "username": "kubernetes-admin",
    "groups": ["kubeadm:cluster-admins", "system:masters", "system:authenticated"],
}
ANONYMOUS: Mapping[str, Any] = {"username": "system:anonymous", "groups": ["system:unauthenticated"]}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose token to sign."""

    namespace: str
    name: str
    uid: str
    pod: Mapping[str, str] | None = None
    """Name and uid of the pod it is bound to: it dies with the pod."""


class Tokens:
    """Signs and reads tokens."""

    def __init__(self, folder: Path, objects: store.Store) -> None:
        self._objects = objects
        self.admin = _kept(folder / "admin-token", lambda: secrets.token_urlsafe(32).encode()).decode()
        key = _kept(folder / "sa.key", lambda: pki.pem(ec.generate_private_key(ec.SECP256R1())))
        loaded = serialization.load_pem_private_key(key, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        self._read: dict[str, tuple[float, dict[str, Any]]] = {}

    def signed(self, subject: Subject, *, audiences: Sequence[str], seconds: int) -> str:
        """A JWT (ES256) for a service account."""
        now = int(time.time())
        about: dict[str, Any] = {
            "namespace": subject.namespace,
            "serviceaccount": {"name": subject.name, "uid": subject.uid},
        }
        if subject.pod:
            about["pod"] = dict(subject.pod)
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "nbf": now,
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": about,
            "sub": f"system:serviceaccount:{subject.namespace}:{subject.name}",
        }
        head = _encode(orjson.dumps({"alg": "ES256", "kid": self._kid()}))
        body = head + b"." + _encode(orjson.dumps(claims))
        r, s = utils.decode_dss_signature(self._key.sign(body, ec.ECDSA(hashes.SHA256())))
        return (body + b"." + _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    def user_of(self, token: str, *, audiences: Sequence[str] = (ISSUER,)) -> dict[str, Any] | None:
        """The user of a bearer token; None when it is not good for any of the audiences."""
        if hmac.compare_digest(token.encode(), self.admin.encode()):
            return dict(ADMIN)
        claims = self._claims(token)
        if claims is None or not set(claims["aud"]) & set(audiences):
            return None
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        live = self._objects.get("serviceaccounts", namespace, account["name"])
        if live is None or live["metadata"]["uid"] != account["uid"]:
            return None
        user: dict[str, Any] = {
            "username": claims["sub"],
            "uid": account["uid"],
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
        }
        if "pod" in about:
            pod = self._objects.get("pods", namespace, about["pod"]["name"])
            if pod is None or pod["metadata"]["uid"] != about["pod"]["uid"]:
                return None
            user["extra"] = {
                "authentication.kubernetes.io/pod-name": [about["pod"]["name"]],
                "authentication.kubernetes.io/pod-uid": [about["pod"]["uid"]],
            }
        return user

    def audiences_of(self, token: str) -> list[str]:
        """The audiences a good token names."""
        claims = self._claims(token)
        return list(claims["aud"]) if claims else [ISSUER]

    def _claims(self, token: str) -> dict[str, Any] | None:
        key = hashlib.sha256(token.encode()).hexdigest()
        if key not in self._read:
            claims = self._verified(token)
            if claims is None:
                return None
            if len(self._read) > 1000:
                self._read.clear()
            self._read[key] = (claims["exp"], claims)
        expires, claims = self._read[key]
        return claims if expires > time.time() else None

    def _verified(self, token: str) -> dict[str, Any] | None:
        try:
            head, body, signature = token.split(".")
            raw = _decode(signature)
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            signed = f"{head}.{body}".encode()
            self._key.public_key().verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
            claims: dict[str, Any] = orjson.loads(_decode(body))
        except (ValueError, InvalidSignature):
            return None
        return claims

    def _kid(self) -> str:
        numbers = self._key.public_key().public_numbers()
        return hashlib.sha256(str((numbers.x, numbers.y)).encode()).hexdigest()[:32]


def _kept(path: Path, make: Any) -> bytes:
    if not path.exists():
        pki.private(path, make())
    return path.read_bytes()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
