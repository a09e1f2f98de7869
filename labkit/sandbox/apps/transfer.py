"""One transfer of our own curl, by ``http.client``: proxy, redirects, cookies, where the body goes."""

import contextlib
import http.client
import os
import sys
from collections.abc import Mapping
from http import cookies
from typing import IO
from urllib.parse import urljoin, urlsplit

from labkit.sandbox.apps import curl
from labkit.sandbox.network import door

MOST_REDIRECTS = 50

REDIRECTS = (301, 302, 303, 307, 308)


def fetch(url: str, options: curl.Options, env: Mapping[str, str], out: IO[bytes]) -> tuple[int, int]:
    """Status and bytes of the last answer, which is written to where the options say."""
    jar = _stored(options.values.get("cookie", ""))
    method, data = options.values.get("method", ""), "&".join(options.data)
    if "get" in options.flags and data:
        url, data = f"{url}{'&' if '?' in url else '?'}{data}", ""
    for _ in range(MOST_REDIRECTS):
        verb = method or ("HEAD" if "head" in options.flags else "POST" if data else "GET")
        connection, target = _open(url, options, env)
        with contextlib.closing(connection):
            reply = _ask(connection, verb, target, _headers(url, jar, options, data), data, options)
            jar = _remember(reply, jar, options)
            where = reply.headers.get("location")
            if "follow" not in options.flags or not where or reply.status not in REDIRECTS:
                return reply.status, _show(reply, options, out)
            if reply.status < 307:
                method, data = ("" if method == "POST" else method), ""
            url = urljoin(url, where)
    raise http.client.HTTPException("too many redirects")


def _open(url: str, options: curl.Options, env: Mapping[str, str]) -> tuple[http.client.HTTPConnection, str]:
    """A connection to the host or its proxy, and the request's target in the form that it needs."""
    parts = urlsplit(url)
    limit = float(options.values["max_time"]) if "max_time" in options.values else None
    if (proxy := options.values.get("proxy")) and parts.scheme == "http":
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return _connected(via.hostname or "", via.port or 80, limit, env), url
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http":
        return _connected(parts.hostname or "", parts.port or 80, limit, env), target
    import ssl  # late: few lessons need it

    context = ssl._create_unverified_context() if "insecure" in options.flags else ssl.create_default_context()
    connection = _connected(parts.hostname or "", parts.port or 443, limit, env)
    connection.sock = context.wrap_socket(connection.sock, server_hostname=parts.hostname)
    return connection, target


def _connected(host: str, port: int, limit: float | None, env: Mapping[str, str]) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port, timeout=limit)
    connection.sock = door.connect(host, port, env, within=limit)
    return connection


def _headers(url: str, jar: str, options: curl.Options, data: str) -> dict[str, str]:
    agent = options.values.get("agent", "curl/8.16.0")
    headers = {"Host": urlsplit(url).netloc, "User-Agent": agent, "Accept": "*/*"}
    if data:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Content-Length"] = str(len(data.encode()))
    if jar:
        headers["Cookie"] = jar
    for line in options.headers:
        name, _, value = line.partition(":")
        headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
        if value.strip():
            headers[name] = value.strip()
    return headers


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    data: str,
    options: curl.Options,
) -> http.client.HTTPResponse:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(data.encode() if data else None)
    reply = connection.getresponse()
    if "verbose" in options.flags:
        lines = [f"> {method} {target} HTTP/1.1", *(f"> {k}: {v}" for k, v in headers.items()), ">"]
        lines += [f"< {line}" for line in _head(reply).split("\r\n")[:-1]]
        print(*lines, sep="\n", file=sys.stderr)
    return reply


def _head(reply: http.client.HTTPResponse) -> str:
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}", *(f"{k}: {v}" for k, v in reply.headers.items())]
    return "\r\n".join([*lines, "", ""])


def _show(reply: http.client.HTTPResponse, options: curl.Options, out: IO[bytes]) -> int:
    """Write head and body where they were asked for; the bytes of the body."""
    name = options.values.get("output", "-")
    target = out if name == "-" else open(name, "wb")  # noqa: PTH123, SIM115
    size = 0
    try:
        if options.flags & {"include", "head"}:
            target.write(_head(reply).encode("latin-1"))
        while chunk := reply.read1(65536):
            size += len(chunk)
            target.write(chunk)
            target.flush()
    finally:
        if target is not out:
            target.close()
    return size


def _stored(path: str) -> str:
    """The ``Cookie`` header: ``-b``'s value itself, or what is in the jar that ``-c`` wrote."""
    if "=" in path or not os.path.exists(path):  # noqa: PTH110
        return path if "=" in path else ""
    with open(path) as file:  # noqa: PTH123
        rows = [line.rstrip("\n").split("\t") for line in file if "\t" in line]
    return "; ".join(f"{row[5]}={row[6]}" for row in rows if len(row) == 7)


def _remember(reply: http.client.HTTPResponse, jar: str, options: curl.Options) -> str:
    stored = cookies.SimpleCookie(jar)
    for value in reply.headers.get_all("set-cookie") or []:
        stored.load(value)
    path = options.values.get("cookie_jar")
    if path:
        with open(path, "w") as file:  # noqa: PTH123
            for name, morsel in stored.items():
                file.write(f"lab\tFALSE\t/\tFALSE\t0\t{name}\t{morsel.value}\n")
    return "; ".join(f"{name}={morsel.value}" for name, morsel in stored.items())
