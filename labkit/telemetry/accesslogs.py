"""Access logs in Istio's format, text or JSON: which proxies a request met, in order, and what each made of it."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from labkit.mesh.explain import mutual_tls

FIELDS = (
    "start_time", "request", "response_code", "response_flags", "response_code_details",
    "connection_termination_details", "upstream_transport_failure_reason", "bytes_received", "bytes_sent", "duration",
    "upstream_service_time", "x_forwarded_for", "user_agent", "request_id", "authority", "upstream_host",
    "upstream_cluster", "upstream_local_address", "downstream_local_address", "downstream_remote_address",
    "requested_server_name", "route_name",
)  # fmt: skip
"""Of a line of text, in their order, by the names that they have in JSON; ``request`` is three in one."""

ORDINARY = ("via_upstream", "")
"""Details of a response that came from where the request went."""

_WORD = re.compile(r'^\[(?P<time>[^\]]*)\]|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>\S+)')
_CLUSTER = re.compile(r"(?P<direction>inbound|outbound)\|(?P<port>\d*)\|(?P<subset>[^|]*)\|(?P<host>.*)")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One request, or one connection, at one proxy."""

    start: datetime
    """When the proxy began with it, UTC."""

    method: str
    path: str
    status: int
    """0 when no answer went back."""

    flags: str
    """Envoy's response flags, ``UF,URX``; empty where all went well."""

    details: str
    """Where the answer came from: ``via_upstream``, ``route_not_found``, ``direct_response`` …"""

    failure: str
    """Why the connection to the upstream failed."""

    duration_ms: float
    request_id: str
    user_agent: str
    authority: str
    """The host that was asked for."""

    upstream_host: str
    """``address:port`` of the endpoint that got it; empty when none did."""

    cluster: str
    """Envoy's cluster, ``outbound|9080|v2|reviews.default.svc.cluster.local``; empty when there was none."""

    route: str
    """The name of the route; empty where it has none."""

    server_name: str = ""
    """The server name that TLS asked for; empty for plain text."""

    @property
    def is_inbound(self) -> bool:
        """Whether it went to the proxy's own app."""
        return self.cluster.startswith("inbound|")

    @property
    def came_by(self) -> str:
        """How it came in: a sidecar asks for server names of its own, ``outbound_.9080_._.reviews…``, by mutual TLS."""
        if self.server_name.startswith("outbound_"):
            return mutual_tls.MUTUAL
        return mutual_tls.TLS if self.server_name else mutual_tls.PLAIN

    @property
    def destination(self) -> str:
        """Where it was sent, in a few words: ``reviews v2``, ``its app``, or the cluster's own name."""
        if self.is_inbound:
            return "its app"
        if match := _CLUSTER.fullmatch(self.cluster):
            return " ".join(w for w in (match["host"].partition(".")[0], match["subset"]) if w)
        return self.cluster or "nowhere"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A line, and the proxy that wrote it."""

    proxy: str
    """Its pod."""

    line: Line
    text: str
    """As it stands in the log."""


def parse(text: str) -> Line | None:
    """A line of an access log in Istio's format; None for any other line."""
    fields = named(text)
    try:
        return _line(fields) if fields else None
    except (KeyError, TypeError, ValueError):
        return None


def named(text: str) -> Mapping[str, str]:
    """The fields of a line in Istio's format by their names in JSON; empty for any other line."""
    return _of_json(text) if text.startswith("{") else _of_text(text)


def _of_json(text: str) -> Mapping[str, str]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return (
        {key: "-" if value is None else str(value) for key, value in document.items()}
        if isinstance(document, dict)
        else {}
    )


def _of_text(text: str) -> Mapping[str, str]:
    if not text.startswith("["):
        return {}
    words = [m["time"] or m["quoted"] or m["plain"] or "" for m in _WORD.finditer(text)]
    if len(words) != len(FIELDS):
        return {}
    fields = dict(zip(FIELDS, words, strict=True))
    method, _, rest = fields["request"].partition(" ")
    path, _, protocol = rest.rpartition(" ")
    return {**fields, "method": method, "path": path, "protocol": protocol}


def _line(fields: Mapping[str, str]) -> Line:
    def word(name: str) -> str:
        return "" if fields.get(name, "-") == "-" else fields[name]

    return Line(
        start=datetime.fromisoformat(fields["start_time"]),
        method=word("method"),
        path=word("path"),
        status=int(word("response_code") or 0),
        flags=word("response_flags"),
        details=word("response_code_details"),
        failure=word("upstream_transport_failure_reason"),
        duration_ms=float(word("duration") or 0),
        request_id=word("request_id"),
        user_agent=word("user_agent"),
        authority=word("authority"),
        upstream_host=word("upstream_host"),
        cluster=word("upstream_cluster"),
        route=word("route_name"),
        server_name=word("requested_server_name"),
    )


def of_request(logs: Mapping[str, str], mark: str) -> list[Step]:
    """The steps of the request with this x-request-id, or with this mark in its User-Agent; ``logs`` by proxy."""
    marked = list(_steps(logs, {mark}))
    named = {s.line.request_id for s in marked if s.line.request_id} - {mark}
    # Not every app hands the User-Agent on, and those that do not may hand on the id.
    return ordered(dict.fromkeys([*marked, *(_steps(logs, named) if named else ())]))


def _steps(logs: Mapping[str, str], marks: Collection[str]) -> Iterator[Step]:
    for proxy, text in logs.items():
        for line in text.splitlines():
            # To look for it first spares reading thousands of lines word by word.
            parsed = parse(line) if any(mark in line for mark in marks) else None
            if parsed is not None and any(mark == parsed.request_id or mark in parsed.user_agent for mark in marks):
                yield Step(proxy=proxy, line=parsed, text=line)


def every(logs: Mapping[str, str]) -> list[Step]:
    """All lines of these logs, by time."""
    listed = ((proxy, text, parse(text)) for proxy, log in logs.items() for text in log.splitlines())
    return ordered(Step(proxy=proxy, line=line, text=text) for proxy, text, line in listed if line is not None)


def ordered(steps: Iterable[Step]) -> list[Step]:
    """By their beginning; of those that began in one millisecond, the one that waited longer, and the caller, first."""
    return sorted(steps, key=lambda s: (s.line.start, -s.line.duration_ms, s.line.is_inbound))


def silent(steps: Iterable[Step], pods: Mapping[str, str]) -> set[str]:
    """Proxies that the request was sent to and that say nothing of it yet; ``pods`` by address.

    A proxy writes its line when the answer has gone back, and what it called on the way before that.
    """
    listed = list(steps)
    told = {s.proxy for s in listed if s.line.is_inbound}
    called = {pods.get(s.line.upstream_host.rpartition(":")[0], "") for s in listed if not s.line.is_inbound}
    return called - told - {""}
