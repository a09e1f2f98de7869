"""Bearer tokens: the administrator's, and those of ServiceAccounts, which are JWTs signed with ES256."""

import base64
import binascii
import hmac
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import users

ISSUER = "https://kubernetes.default.svc.cluster.local"
Lookup = Callable[[str, str, str], Object | None]
"""``(table, namespace, name)`` → the stored object."""


class RefusedTokenError(Exception):
    """A token that says nothing, or no longer."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a ServiceAccount's token says, once its signature holds."""

    namespace: str
    account: str
    uid: str
    audiences: tuple[str, ...]
    expires: float
    token_id: str
    pod: str = ""
    pod_uid: str = ""
    node: str = ""
    node_uid: str = ""
    secret: str = ""


class Tokens:
    """Issues and checks tokens of ServiceAccounts."""

    def __init__(self, key: bytes, *, admin: str, lookup: Lookup, clock: Callable[[], float] = time.time) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key, self._public = loaded, loaded.public_key()
        self._admin = admin.encode()
        self._lookup, self._clock = lookup, clock
        self._checked: dict[str, Claims] = {}
        public = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(public)
        self._key_id = _b64(digest.finalize())

    def __repr__(self) -> str:
        return f"Tokens({len(self._checked)} checked)"

    def user(self, token: str, *, audience: str = ISSUER) -> users.User:
        """Whose token it is; RefusedTokenError for all others."""
        if _is_same(token, self._admin):
            return users.ADMIN
        claims = self.claims(token)
        if audience not in claims.audiences:
            raise RefusedTokenError(f"token audiences {list(claims.audiences)} do not include {audience}")
        return self.user_of(claims)

    def reviewed(self, token: str, audiences: Sequence[str]) -> tuple[users.User, list[str]]:
        """Whose token it is and for which of the audiences; RefusedTokenError when for none."""
        if _is_same(token, self._admin):
            return users.ADMIN, list(audiences)
        claims = self.claims(token)
        shared = [audience for audience in audiences if audience in claims.audiences]
        if not shared:
            problem = f"{list(claims.audiences)} is invalid for the target audiences {list(audiences)}"
            raise RefusedTokenError(f"token audiences {problem}")
        return self.user_of(claims), shared

    def user_of(self, claims: Claims) -> users.User:
        """The service account of claims that still hold: its objects must be there."""
        account = self._lookup("/serviceaccounts", claims.namespace, claims.account)
        if account is None or account["metadata"]["uid"] != claims.uid:
            raise RefusedTokenError("service account is gone")
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.token_id}"]}
        if claims.pod:
            pod = self._lookup("/pods", claims.namespace, claims.pod)
            if pod is None or pod["metadata"]["uid"] != claims.pod_uid:
                raise RefusedTokenError("pod is gone")
            if claims.node:
                extra["authentication.kubernetes.io/node-name"] = [claims.node]
                if claims.node_uid:
                    extra["authentication.kubernetes.io/node-uid"] = [claims.node_uid]
            extra["authentication.kubernetes.io/pod-name"] = [claims.pod]
            extra["authentication.kubernetes.io/pod-uid"] = [claims.pod_uid]
        if claims.secret and self._lookup("/secrets", claims.namespace, claims.secret) is None:
            raise RefusedTokenError("secret is gone")
        return users.service_account(claims.namespace, claims.account, uid=claims.uid, extra=extra)

    def issue(
        self,
        account: Object,
        *,
        audiences: list[str],
        seconds: int,
        bound: Object | None = None,
        node: Object | None = None,
    ) -> tuple[str, float]:
        """A token for a ServiceAccount and the time it expires; ``bound`` is the Pod or Secret it lives with."""
        now = int(self._clock())
        metadata = account["metadata"]
        about: dict[str, Any] = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if bound is not None:
            reference = {"name": bound["metadata"]["name"], "uid": bound["metadata"]["uid"]}
            about[bound["kind"].lower()] = reference
        if node is not None:
            about["node"] = {"name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}
        claims = {
            "aud": audiences or [ISSUER],
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": about,
            "nbf": now,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        header = {"alg": "ES256", "kid": self._key_id}
        signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}", float(now + seconds)

    def claims(self, token: str) -> Claims:
        """What a token says; RefusedTokenError if its signature is not ours or its time is over."""
        checked = self._checked.get(token)
        if checked is None:
            checked = self._checked_claims(token)
            if len(self._checked) > 1000:
                self._checked.clear()
            self._checked[token] = checked
        if checked.expires < self._clock():
            raise RefusedTokenError("token has expired")
        return checked

    def _checked_claims(self, token: str) -> Claims:
        try:
            signed, _, signature = token.rpartition(".")
            raw = _unb64(signature)
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            encoded = utils.encode_dss_signature(r, s)
            self._public.verify(encoded, signed.encode(), ec.ECDSA(hashes.SHA256()))
            payload = json.loads(_unb64(signed.partition(".")[2]))
            about = payload["kubernetes.io"]
            return Claims(
                namespace=about["namespace"],
                account=about["serviceaccount"]["name"],
                uid=about["serviceaccount"]["uid"],
                audiences=tuple(payload["aud"]),
                expires=float(payload["exp"]),
                token_id=payload["jti"],
                pod=about.get("pod", {}).get("name", ""),
                pod_uid=about.get("pod", {}).get("uid", ""),
                node=about.get("node", {}).get("name", ""),
                node_uid=about.get("node", {}).get("uid", ""),
                secret=about.get("secret", {}).get("name", ""),
            )
        except (ValueError, KeyError, TypeError, InvalidSignature, binascii.Error) as e:
            raise RefusedTokenError("invalid bearer token") from e


def _is_same(token: str, secret: bytes) -> bool:
    """Compared in constant time; a header may hold any byte, which aiohttp keeps as a surrogate."""
    return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), secret)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
