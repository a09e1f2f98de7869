"""Who is logged in: a signed cookie in the form that Flask gives it, without Flask."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from http import cookies

COOKIE = "session"

KEY = b"a demo app: replicas must read each other's cookies, and there is nothing to protect"
"""Signs the cookie. The original's key is a constant too, for the same reason."""


def user_of(headers: Mapping[str, str]) -> str:
    """The user of a request's cookie; empty when there is none, or when somebody wrote it himself."""
    try:
        jar = cookies.SimpleCookie(headers.get("cookie", ""))
        value = jar[COOKIE].value
        signed, _, signature = value.rpartition(".")
        if not hmac.compare_digest(_signature(signed), signature):
            return ""
        return str(json.loads(_decode(signed.partition(".")[0])).get("user", ""))
    except (cookies.CookieError, LookupError, ValueError, AttributeError, TypeError):
        return ""


def login(user: str) -> str:
    """The ``Set-Cookie`` value that makes ``user`` the user."""
    payload = json.dumps({"user": user}, separators=(",", ":")).encode()
    signed = f"{_encode(payload)}.{_encode(int(time.time()).to_bytes(4, 'big'))}"
    return f"{COOKIE}={signed}.{_signature(signed)}; HttpOnly; Path=/"


def logout() -> str:
    """The ``Set-Cookie`` value that forgets the user."""
    return f"{COOKIE}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"


def _signature(signed: str) -> str:
    return _encode(hmac.new(KEY, signed.encode(), hashlib.sha1).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
