"""A line of an access log explained field by field: what each field is called, what it holds, and what that means."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from labkit.telemetry import accesslogs
from labkit.telemetry.flags import explained

ABSENT = "-"


class Field(NamedTuple):
    """One field of one line."""

    name: str
    """As in Istio's JSON format: ``response_flags``."""

    value: str
    meaning: str


def fields(text: str) -> list[Field]:
    """The fields of a line in Istio's format, in the order of the text format; none for any other line."""
    named = accesslogs.named(text)
    return [Field(name, named[name], _meaning(name, named)) for name in ORDER if name in named]


def _meaning(name: str, line: Mapping[str, str]) -> str:
    meaning = ORDER[name]
    return meaning if isinstance(meaning, str) else meaning(line)


def _value(line: Mapping[str, str], name: str) -> str:
    value = line.get(name, ABSENT)
    return "" if value == ABSENT else value


def _status(line: Mapping[str, str]) -> str:
    code = _value(line, "response_code") or "0"
    if code == "0":
        return "no answer went back: the caller hung up first"
    kind = {"2": "all went well", "3": "the caller is sent elsewhere", "4": "the request was at fault"}
    return kind.get(code[0], "the server side failed")


def _flags(line: Mapping[str, str]) -> str:
    flags = _value(line, "response_flags")
    return f"Envoy's reason: {explained(flags)}" if flags else "none: Envoy itself has nothing to add"


def _details(line: Mapping[str, str]) -> str:
    details = _value(line, "response_code_details")
    if details == "via_upstream":
        return "the answer came from where the request went"
    return "who made the answer, if not the upstream" if details else "not said"


def _cluster(line: Mapping[str, str]) -> str:
    cluster = _value(line, "upstream_cluster")
    parts = cluster.split("|")
    if len(parts) == 4 and parts[0] == "inbound":
        return f"the proxy's own app, on port {parts[1]}"
    if len(parts) == 4:
        subset = f", subset {parts[2]}" if parts[2] else ", no subset"
        return f"outbound to {parts[3]}, port {parts[1]}{subset}"
    return "Envoy's own cluster" if cluster else "none: no route led anywhere"


def _endpoint(line: Mapping[str, str]) -> str:
    return "the endpoint that got the request" if _value(line, "upstream_host") else "no endpoint got it"


def _server_time(line: Mapping[str, str]) -> str:
    whole, theirs = _value(line, "duration"), _value(line, "upstream_service_time")
    if whole.isdecimal() and theirs.isdecimal():
        return f"milliseconds that the upstream took; {int(whole) - int(theirs)} more were spent here"
    return "milliseconds that the upstream took: it never answered"


def _failure(line: Mapping[str, str]) -> str:
    failure = _value(line, "upstream_transport_failure_reason")
    return "why no connection to the upstream came about" if failure else "nothing: the connection was fine"


Meaning = str | Callable[[Mapping[str, str]], str]

ORDER: Mapping[str, Meaning] = {
    "start_time": "when the request began, UTC",
    "method": "the HTTP method",
    "path": "the path as the caller sent it",
    "protocol": "the protocol of the caller",
    "response_code": _status,
    "response_flags": _flags,
    "response_code_details": _details,
    "connection_termination_details": "why Envoy ended the connection; - if it did not",
    "upstream_transport_failure_reason": _failure,
    "bytes_received": "bytes of the request's body",
    "bytes_sent": "bytes of the answer's body",
    "duration": "milliseconds from the first byte in to the last byte out",
    "upstream_service_time": _server_time,
    "x_forwarded_for": "the addresses that the request came through",
    "user_agent": "the program that asked",
    "request_id": "the same in every proxy on the way: look for it in their logs",
    "authority": "the host that the caller named",
    "upstream_host": _endpoint,
    "upstream_cluster": _cluster,
    "upstream_local_address": "from where the proxy called the upstream",
    "downstream_local_address": "the address that the caller called",
    "downstream_remote_address": "the caller's address",
    "requested_server_name": "the server name of TLS; - for plain text",
    "route_name": "the name of the route that was taken",
}
"""Field → what it is, or what makes a sentence of its value and its neighbours'."""
