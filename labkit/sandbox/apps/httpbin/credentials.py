"""Paths that ask who calls: basic, hidden basic, bearer and digest."""

import base64
import hashlib
import hmac
import re
import secrets

from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.httpbin.asking import Parts, Refusal, as_json, part, refused

REALM = "Fake Realm"
ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def _is_basic(request: Request, parts: Parts) -> bool:
    pair = f"{part(parts, 0)}:{part(parts, 1)}".encode()
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), b"Basic " + base64.b64encode(pair))


def basic(request: Request, parts: Parts) -> Response:
    """``/basic-auth/USER/PASSWORD``."""
    if _is_basic(request, parts):
        return _welcome(part(parts, 0))
    denied = as_json({"authenticated": False, "authorized": False, "user": ""}, status=401)
    denied.fields.append(("www-authenticate", f'Basic realm="{REALM}"'))
    return denied


def hidden_basic(request: Request, parts: Parts) -> Response:
    """``/hidden-basic-auth/USER/PASSWORD``: who does not know it finds nothing."""
    return _welcome(part(parts, 0)) if _is_basic(request, parts) else refused(404, "Not Found")


def _welcome(user: str) -> Response:
    return as_json({"authenticated": True, "authorized": True, "user": user})


def bearer(request: Request, _: Parts) -> Response:
    """``/bearer``."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or token == request.headers.get("authorization"):
        return Response(status=401, fields=[("www-authenticate", "Bearer")])
    return as_json({"authenticated": True, "token": token})


def digest(request: Request, parts: Parts) -> Response:
    """``/digest-auth/QOP/USER/PASSWORD[/ALGORITHM]`` (RFC 7616)."""
    qop, user, password = part(parts, 0, "auth"), part(parts, 1), part(parts, 2)
    algorithm = part(parts, 3, "MD5").upper()
    if qop != "auth":
        raise Refusal(400, 'invalid "qop" value: must be auth')
    if algorithm not in ALGORITHMS:
        raise Refusal(400, f'invalid "algorithm" value: must be one of {", ".join(ALGORITHMS)}')
    given = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("authorization", "").removeprefix("Digest ")))

    def hashed(text: str) -> str:
        return ALGORITHMS[algorithm](text.encode()).hexdigest()

    proof = hashed(f"{user}:{REALM}:{password}")
    request_hash = hashed(f"{request.method}:{given.get('uri', '')}")
    middle = ":".join(given.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
    if given.get("username") == user and given.get("response") == hashed(f"{proof}:{middle}:{request_hash}"):
        return _welcome(user)
    challenge = (
        f'Digest qop="{qop}", realm="{REALM}", algorithm={algorithm}, nonce="{secrets.token_hex(16)}", '
        f'opaque="{secrets.token_hex(16)}"'
    )
    return Response(status=401, fields=[("www-authenticate", challenge)])
