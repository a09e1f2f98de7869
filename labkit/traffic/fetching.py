"""One page, whole, as a browser would get it: for views that show it."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from labkit.base import errors
from labkit.traffic import login

TIMEOUT = 30.0
"""Seconds; the slowest lesson waits 14."""


class UnreachableError(errors.LabError):
    """Nothing answered."""

    def __init__(self, url: str, problem: Exception) -> None:
        super().__init__(
            f"Nothing answers at {url}.\nLast seen: {problem}\n"
            "Next: ./lab status shows what runs; lab.expose() opens the gateway"
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer."""

    status: int
    text: str
    headers: Mapping[str, str]
    """Names in lower case."""


def fetch(
    url: str, path: str = "/", *, user: str = "", headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Answer:
    """Send one request and keep the whole answer; ``user`` logs in to Bookinfo first."""
    sent = {"User-Agent": "labkit", **(headers or {})}
    if user:
        sent["Cookie"] = session(url, user=user)
    return _ask(url, method, path, sent)


def session(url: str, *, user: str) -> str:
    """The ``Cookie`` header of a session of ``user``."""
    form = urlencode({"username": user})
    reply = _ask(url, "POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode())
    given = reply.headers.get("set-cookie", "").partition(";")[0]
    if not given:
        raise login.LoginError(url, user=user, last_seen=f"status {reply.status} without a cookie")
    return given


def _ask(url: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
    try:
        link.request(method, path, body=body, headers=dict(headers))
        reply = link.getresponse()
        text = reply.read().decode("utf-8", "replace")
        fields = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, text=text, headers=fields)
    except (OSError, http.client.HTTPException) as e:
        raise UnreachableError(url + path, e) from e
    finally:
        link.close()
