"""What the machine's curl cannot know of a pod's network: names that nobody has, and ports where nobody listens.

It reaches the network by the pod's forwarder, and would tell of a proxy's trouble where a container's curl says that a
host could not be resolved. So one URL is looked at before, and the exit code and the words are curl's own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from labkit.sandbox.network import door, listening

SHORT = frozenset("AbcCdDeEFHKmoPQrtTuUwxXyYz")
"""Short options of curl that take a value (curl.se/docs/manpage.html)."""

LONG = frozenset(
    (
        "user-agent", "cookie", "cookie-jar", "continue-at", "data", "data-raw", "data-binary", "data-ascii",
        "data-urlencode", "dump-header", "referer", "cert", "form", "header", "config", "max-time", "output", "request",
        "range", "upload-file", "user", "write-out", "connect-timeout", "cacert", "key", "json", "max-redirs",
        "url-query", "limit-rate", "retry-delay", "retry-max-time", "aws-sigv4", "oauth2-bearer", "ciphers",
        "interface", "capath",
    )
)  # fmt: skip
"""Long ones."""

OWN_WAY = ("x", "proxy", "noproxy", "unix-socket", "resolve", "connect-to", "retry", "socks5", "socks5-hostname", "K")
"""Options that say how to connect, or that wait for somebody to listen: curl is left alone."""

PORTS = {"http": 80, "https": 443}


class Failure(NamedTuple):
    """Curl's exit code and its words."""

    code: int
    text: str


def failure(words: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    """Why curl with these arguments meets nobody; None where it may, or where it is asked for something special."""
    url = only_url(words)
    parts = urlsplit(url if "://" in url else f"http://{url}") if url else None
    if parts is None or parts.scheme not in PORTS or not parts.hostname:
        return None
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    answer = door.look(host, port, env)
    if answer is None:
        return None
    if answer.error == door.NO_NAME:
        return Failure(6, f"Could not resolve host: {host}")
    if answer.error or not _listens(host, port, answer, env):
        return Failure(7, f"Failed to connect to {host} port {port} after 0 ms: Could not connect to server")
    return None


def _listens(host: str, port: int, answer: door.Answer, env: Mapping[str, str]) -> bool:
    """Whether somebody does in the pod itself; elsewhere a look would be a connection that others count and log."""
    if answer.is_announced or not (answer.socket or answer.address == env.get(listening.ADDRESS)):
        return True
    try:
        door.connect(host, port, env, within=2.0).close()
    except OSError:
        return False
    return True


def only_url(words: Sequence[str]) -> str:
    """The URL of a command line that has one alone and no option of its own way; else empty."""
    urls, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name = word[2:]
            if name in OWN_WAY or name in ("next", "parallel"):
                return ""
            if name == "url":
                urls.append(rest.pop(0) if rest else "")
            elif name in LONG and rest:
                rest.pop(0)
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            for at, letter in enumerate(letters):
                if letter in OWN_WAY:
                    return ""
                if letter in SHORT:
                    if at == len(letters) - 1 and rest:
                        rest.pop(0)
                    break
        else:
            urls.append(word)
    return urls[0] if len(urls) == 1 else ""
