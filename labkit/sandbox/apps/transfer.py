"""One transfer of our own curl, by ``http.client``: proxy, redirects, cookies, where the body goes."""

import http.client
import os
import sys
from collections.abc import Mapping
from http import cookies
from typing import IO
from urllib.parse import urljoin, urlsplit

from labkit.sandbox.apps import curl

MOST_REDIRECTS = 50


def reply(url: str, options: curl.Options, env: Mapping[str, str]) -> http.client.HTTPResponse:
    jar = options.values.get("cookie", "")
    if jar and "=" not in jar:
        jar = _stored(jar)
    method = options.values.get("method", "")
    data = "&".join(options.data)
    if "get" in options.flags and data:
        url, data = f"{url}{'&' if '?' in url else '?'}{data}", ""
    for _ in range(MOST_REDIRECTS):
        answer = _call(
            method or ("HEAD" if "head" in options.flags else "POST" if data else "GET"),
            url,
            data,
            jar,
            options,
            env,
        )
        jar = _remember(answer, jar, options)
        where = answer.headers.get("location")
        if "follow" not in options.flags or not where or answer.status not in (301, 302, 303, 307, 308):
            return answer
        if answer.status < 307:
            method, data = ("" if method == "POST" else method), ""
        url = urljoin(url, where)
    raise http.client.HTTPException("too many redirects")


def _call(
    method: str, url: str, data: str, jar: str, options: curl.Options, env: Mapping[str, str]
) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    proxy = options.values.get("proxy") or env.get("http_proxy") or ""
    direct = [name.strip() for name in env.get("no_proxy", "").split(",")]
    if parts.scheme != "http" or parts.hostname in direct:
        proxy = ""
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else parts
    headers = {
        "Host": parts.netloc,
        "User-Agent": options.values.get("agent", "curl/8.16.0"),
        "Accept": "*/*",
    }
    if data:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if jar:
        headers["Cookie"] = jar
    for line in options.headers:
        name, _, value = line.partition(":")
        headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
        if value.strip():
            headers[name] = value.strip()
    if "verbose" in options.flags:
        print(
            f"> {method} {path} HTTP/1.1",
            *(f"> {k}: {v}" for k, v in headers.items()),
            ">",
            sep="\n",
            file=sys.stderr,
        )
    limit = float(options.values["max_time"]) if "max_time" in options.values else None
    connection = _connection(parts.scheme, via.hostname or "", via.port, limit, options)
    connection.putrequest(method, url if proxy else path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if data:
        connection.putheader("Content-Length", str(len(data.encode())))
    connection.endheaders(data.encode() if data else None)
    reply = connection.getresponse()
    if "verbose" in options.flags:
        print(_head(reply).replace("\r", "").replace("\n", "\n< ").join(("< ", "")), file=sys.stderr)
    return reply


def _connection(
    scheme: str, host: str, port: int | None, limit: float | None, options: curl.Options
) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=limit)
    import ssl  # late: few lessons need it

    context = ssl._create_unverified_context() if "insecure" in options.flags else None
    return http.client.HTTPSConnection(host, port, timeout=limit, context=context)


def _head(reply: http.client.HTTPResponse) -> str:
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}", *(f"{k}: {v}" for k, v in reply.headers.items())]
    return "\r\n".join([*lines, "", ""])


def show(reply: http.client.HTTPResponse, options: curl.Options, out: IO[bytes]) -> int:
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
    """The ``Cookie`` header of a jar that ``-c`` wrote."""
    if not os.path.exists(path):  # noqa: PTH110
        return ""
    with open(path) as file:  # noqa: PTH123
        rows = [line.rstrip("\n").split("\t") for line in file if "\t" in line]
    return "; ".join(f"{row[5]}={row[6]}" for row in rows if len(row) == 7)


def _remember(reply: http.client.HTTPResponse, jar: str, options: curl.Options) -> str:
    known = cookies.SimpleCookie(jar)
    for value in reply.headers.get_all("set-cookie") or []:
        known.load(value)
    path = options.values.get("cookie_jar")
    if path:
        with open(path, "w") as file:  # noqa: PTH123
            for name, morsel in known.items():
                file.write(f"lab\tFALSE\t/\tFALSE\t0\t{name}\t{morsel.value}\n")
    return "; ".join(f"{name}={morsel.value}" for name, morsel in known.items())
