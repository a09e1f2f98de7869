"""Logging in to Bookinfo, as its form does."""

from urllib.parse import urlencode

from labkit.base import errors
from labkit.sandbox.apps import channel


class LoginError(errors.LabError):
    """The app did not give us a session."""

    def __init__(self, url: str, *, user: str, last_seen: str) -> None:
        super().__init__(
            f"Logging in as {user!r} at {url} gave no session.\nLast seen: {last_seen}\n"
            "Next: check that the gateway routes /login to productpage (bookinfo-gateway.yaml does)"
        )


async def cookie(url: str, *, user: str) -> str:
    """The ``Cookie`` header of a session of ``user``; LoginError when there is none to be had."""
    form = urlencode({"username": user}).encode()
    fields = [("Content-Type", "application/x-www-form-urlencoded"), ("Connection", "close")]
    call = channel.call("POST", f"{url.rstrip('/')}/login", fields=fields, body=form)
    try:
        opened = await call.open()
    except OSError as e:
        raise LoginError(url, user=user, last_seen=str(e)) from e
    try:
        reply = await opened.ask(call.method, call.request)
    except OSError as e:
        raise LoginError(url, user=user, last_seen=str(e)) from e
    finally:
        opened.close()
    given = reply.headers.get("set-cookie", "").partition(";")[0]
    if not given:
        raise LoginError(url, user=user, last_seen=f"status {reply.status} without a cookie")
    return given
