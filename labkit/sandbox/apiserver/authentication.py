"""Who sends a request: bearer tokens, and the checks that keep web pages out."""

from collections.abc import Mapping

from aiohttp import web

from labkit.sandbox.apiserver import pki, refusing, tokens, users

HOSTS = frozenset({*pki.NAMES, *pki.ADDRESSES})


class Authenticator:
    """Turns headers into a user."""

    def __init__(self, issued: tokens.Tokens) -> None:
        self._tokens = issued

    def __repr__(self) -> str:
        return f"Authenticator({self._tokens!r})"

    def user(self, headers: Mapping[str, str]) -> users.User:
        """The user of a bearer token; nobody without one; 401 for a wrong one."""
        header = headers.get("Authorization", "")
        if not header:
            return users.ANONYMOUS
        scheme, token, *_ = [*header.strip().split(" ", 2), ""]
        if scheme.lower() != "bearer" or not token:
            return users.ANONYMOUS
        try:
            return self._tokens.user(token)
        except tokens.RefusedTokenError as e:
            raise refusing.refusal(401, "Unauthorized", "Unauthorized") from e


def check_origin(request: web.BaseRequest) -> None:
    """403 for another Host (DNS rebinding) and for requests that a web page of another origin makes."""
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if ":" in host else host
    if name not in HOSTS:
        raise refusing.refusal(403, "Forbidden", f"the Host {host!r} is not this server", {})
    origin = request.headers.get("Origin")
    if origin and origin.partition("://")[2] != host:
        raise refusing.refusal(403, "Forbidden", f"requests from {origin} are not served", {})
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise refusing.refusal(403, "Forbidden", "requests from other sites are not served", {})
