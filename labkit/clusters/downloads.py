"""Downloads that run only when their published SHA-256 is right: over HTTPS, through proxies, with CAs of one's own."""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from labkit.base import errors

TIMEOUT = 30.0
"""Seconds without a byte."""

PIECE = 256 * 1024
CAS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
"""Variables by which people name a CA of their own."""

OnBytes = Callable[[int, int | None], None]
"""Told the bytes so far, and of how many where the server says."""


class DownloadError(errors.SetupError):
    """A file cannot be had, or is not what was published."""


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from HTTPS to a way on which anybody can write."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def text(url: str) -> str:
    """A small file."""
    with _opened(url) as reply:
        return str(reply.read(1024 * 1024).decode("utf-8", "replace"))


def file(url: str, target: Path, *, sha256: str, on_bytes: OnBytes = lambda _, __: None) -> None:
    """Write the file at a URL to ``target``, whole and as published; else DownloadError, and nothing is written."""
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _opened(url) as reply, part.open("wb") as out:
            length = reply.headers.get("Content-Length")
            _copied(reply, out, int(length) if length else None, url, on_bytes)
        require(part, sha256, source=url)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def require(path: Path, sha256: str, *, source: str) -> None:
    """DownloadError where a file does not have the published sum."""
    with path.open("rb") as content:
        seen = hashlib.file_digest(content, "sha256").hexdigest()
    if seen != sha256.lower():
        raise DownloadError(
            f"{source} is not what was published: its SHA-256 is {seen}, and {sha256.lower()} was expected. "
            "It was thrown away.",
            next_step="try again; if it happens again, something on the way changes downloads",
        )


def sum_in(listing: str, name: str, *, source: str) -> str:
    """The SHA-256 of a file in a list of sums, ``HEX  NAME`` a line; a list of one may leave the name out."""
    rows = [line.split() for line in listing.splitlines() if line.strip()]
    sums = {row[-1].lstrip("*").rpartition("/")[2] if len(row) > 1 else name: row[0] for row in rows}
    value = sums.get(name, "")
    if len(value) != 64 or not all(c in "0123456789abcdefABCDEF" for c in value):
        raise DownloadError(f"{source} has no SHA-256 of {name}.", next_step="try again later")
    return value


def _copied(reply: http.client.HTTPResponse, out: object, length: int | None, url: str, on_bytes: OnBytes) -> None:
    written = 0
    try:
        while piece := reply.read(PIECE):
            out.write(piece)  # type: ignore[attr-defined]
            written += len(piece)
            on_bytes(written, length)
    except (http.client.HTTPException, OSError) as e:
        raise _broken(url, written, length, str(e)) from e
    if length is not None and written < length:
        raise _broken(url, written, length, "the connection ended")


def _broken(url: str, written: int, length: int | None, reason: str) -> DownloadError:
    of = f" of {length:,}" if length else ""
    return DownloadError(f"{url} broke off after {written:,}{of} bytes: {reason}.", next_step="try again")


def _opened(url: str) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(_SameSafety(), urllib.request.HTTPSHandler(context=_context()))
    try:
        reply: http.client.HTTPResponse = opener.open(url, timeout=TIMEOUT)
        return reply
    except urllib.error.HTTPError as e:
        with e:
            raise DownloadError(f"{url} answers {e.code} {e.reason}.", next_step=_next(e.code)) from e
    except (urllib.error.URLError, OSError, ValueError) as e:
        reason = getattr(e, "reason", e)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{url}: the certificate is not trusted: {reason.verify_message}.",
                next_step="if your network has a CA of its own: export SSL_CERT_FILE=/path/to/ca.pem",
            ) from e
        raise DownloadError(
            f"{url} cannot be reached: {reason}.",
            next_step="check the network, and HTTPS_PROXY where there is a proxy; or bring the files: --from DIR",
        ) from e


def _next(code: int) -> str:
    if code == 404:
        return "this version may not be published for your platform; look at the page of its releases"
    if code in (403, 429):
        return "too many downloads from this address: wait, or bring the files: --from DIR"
    if code == 407:
        return "the proxy asks who you are: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    return "try again later, or bring the files: --from DIR"


def _context() -> ssl.SSLContext:
    """The system's CAs, and those of the first variable that names a file."""
    context = ssl.create_default_context()
    for name in CAS:
        place = os.environ.get(name)
        if place and Path(place).is_file():
            context.load_verify_locations(cafile=place)
            break
    return context
