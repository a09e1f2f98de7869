"""Jaeger: spans by OTLP and Zipkin, a bounded store, the query API."""

import base64
import gzip
import json
from urllib.parse import urlencode

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from labkit.sandbox.apps.exchange import Request
from labkit.sandbox.apps.jaeger import program, query, zipkin
from labkit.sandbox.apps.jaeger.spans import Event, Span
from labkit.sandbox.apps.jaeger.store import Store, packed, unpacked

TRACE = "5b8efff798038103d269b633813fc60c"
SECOND = 1_000_000
AT = 1_700_000_000 * SECOND


def exported(
    *, service="reviews.default", name="GET", id="eee19b7ec3c1b174", parent="", kind="SPAN_KIND_SERVER", code=0
):
    """An export request in OTLP's JSON."""
    span = {
        "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": name, "kind": kind,
        "startTimeUnixNano": str(AT * 1000), "endTimeUnixNano": str((AT + 2500) * 1000),
        "attributes": [
            {"key": "http.status_code", "value": {"stringValue": "503"}},
            {"key": "retries", "value": {"intValue": "2"}},
        ],
        "status": {"code": code},
        "events": [{"timeUnixNano": str((AT + 5) * 1000), "name": "retried"}],
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "envoy"}, "spans": [span]}]}]}


def serialized(document):
    from google.protobuf import json_format

    text = json.dumps(document)
    for digits in (TRACE, "eee19b7ec3c1b174"):
        text = text.replace(digits, base64.b64encode(bytes.fromhex(digits)).decode())
    return json_format.Parse(text, trace_service_pb2.ExportTraceServiceRequest()).SerializeToString()


def request(method, path, body=b"", query="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method=method, path=path, query=query, fields=[], headers=named, body=body, peer="")


def post(store, body, kind, **headers):
    return program.take(
        store, request("POST", "/v1/traces", body, content_type=kind, **headers), "/v1/traces", program.OTLP, 200
    )


def ask(store, path, **asked):
    reply = program.answer(store, request("GET", f"/jaeger/api/{path}", query=urlencode(asked, doseq=True)))
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(
    ("body", "kind", "headers"),
    [
        (json.dumps(exported(code=2)).encode(), "application/json", {}),
        (serialized(exported(code=2)), "application/x-protobuf", {}),
        (gzip.compress(serialized(exported(code=2))), "application/x-protobuf", {"content_encoding": "gzip"}),
    ],
    ids=["JSON", "protobuf", "compressed"],
)
def test_a_span_of_otlp_is_answered_as_jaegers(body, kind, headers):
    store = Store()
    assert post(store, body, kind, **headers).status == 200
    status, answer = ask(store, f"traces/{TRACE}")
    (trace,) = answer["data"]
    (span,) = trace["spans"]
    assert status == 200
    assert (span["operationName"], span["startTime"], span["duration"]) == ("GET", AT, 2500)
    assert trace["processes"][span["processID"]]["serviceName"] == "reviews.default"
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in span["tags"]}
    assert tags["http.status_code"] == ("string", "503")
    assert tags["retries"] == ("int64", 2)
    assert tags["span.kind"] == ("string", "server")
    assert tags["error"] == ("bool", True)
    assert span["logs"][0]["fields"] == [{"key": "event", "type": "string", "value": "retried"}]


def test_a_span_of_zipkin_is_one_too():
    (span,) = zipkin.of_json(
        json.dumps(
            [
                {
                    "traceId": "463ac35c9f6413ad", "id": "72485a3953bb6124", "parentId": "1", "name": "get",
                    "kind": "CLIENT", "timestamp": AT, "duration": 7,
                    "localEndpoint": {"serviceName": "reviews.default", "ipv4": "10.0.0.1"},
                    "remoteEndpoint": {"port": 9080}, "tags": {"http.status_code": "200", "error": "true"},
                }
            ]
        ).encode()
    )  # fmt: skip
    assert (span.trace, span.parent, span.service) == ("463ac35c9f6413ad", "0000000000000001", "reviews.default")
    assert dict(span.tags) == {"http.status_code": "200", "error": True, "span.kind": "client", "peer.port": 9080}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff\xff", "application/x-protobuf", 400), (b"", "text/plain", 415)],
    ids=["no JSON", "no message", "no kind that is taken"],
)
def test_what_is_no_span_is_refused(body, kind, status):
    assert post(Store(), body, kind).status == status


@pytest.mark.parametrize(
    "body", [b"{}", b"[1]", b'[{"id": "1"}]', b"["], ids=["no list", "no spans", "no trace", "no JSON"]
)
def test_what_is_no_span_of_zipkin_is_refused(body):
    reply = program.take(
        Store(), request("POST", "/api/v2/spans", body), "/api/v2/spans", {"application/json": zipkin.of_json}, 202
    )
    assert reply.status == 400


def span(trace="1", id="a", parent="", service="shop", operation="buy", start=AT, duration=10, **tags):
    return Span(
        trace=trace, id=id, parent=parent, service=service, operation=operation, start=start, duration=duration,
        tags=tuple(tags.items()),
    )  # fmt: skip


@pytest.fixture
def store():
    store = Store()
    store.add([span(), span(id="b", parent="a", service="stock", operation="look", code="200")])
    store.add([span(trace="2", start=AT + SECOND, duration=5000, code="503")])
    return store


@pytest.mark.parametrize(
    ("asked", "traces"),
    [
        ({"service": "shop"}, ["2", "1"]),
        ({"service": "stock"}, ["1"]),
        ({"service": "shop", "limit": "1"}, ["2"]),
        ({"service": "shop", "operation": "look"}, []),
        ({"service": "shop", "tags": '{"code": "503"}'}, ["2"]),
        ({"service": "shop", "tag": "code:503"}, ["2"]),
        ({"service": "shop", "minDuration": "1ms"}, ["2"]),
        ({"service": "shop", "maxDuration": "1ms"}, ["1"]),
        ({"service": "shop", "start": str(AT + 1)}, ["2"]),
        ({"service": "shop", "end": str(AT + 1)}, ["1"]),
    ],
    ids=["service", "another", "limit", "operation", "tags", "tag", "slow", "quick", "since", "until"],
)
def test_traces_are_looked_for_by(store, asked, traces):
    _, answer = ask(store, "traces", **asked)
    assert [trace["traceID"] for trace in answer["data"]] == traces


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("services", ["shop", "stock"]),
        ("services/shop/operations", ["buy"]),
        ("operations?service=stock", [{"name": "look", "spanKind": ""}]),
        ("dependencies", [{"parent": "shop", "child": "stock", "callCount": 1}]),
    ],
)
def test_pages_of_the_api(store, path, data):
    path, _, text = path.partition("?")
    asked = {"endTs": str(AT // 1000 + 5000), "lookback": "60000"} if path == "dependencies" else {}
    asked |= {"service": "stock"} if text else {}
    assert ask(store, path, **asked)[1]["data"] == data


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [("traces", {}, 400), ("traces", {"service": "a", "minDuration": "soon"}, 400), ("traces/abc", {}, 404)],
    ids=["without a service", "no duration", "no trace"],
)
def test_questions_without_an_answer(store, path, asked, status):
    code, answer = ask(store, path, **asked)
    assert (code, answer["data"], answer["errors"][0]["code"]) == (status, None, status)


def test_a_span_is_kept_whole_in_little_memory():
    tags = tuple((f"istio.tag{n}", value) for n, value in enumerate(["text" * 9, True, 7, 0.5, "-", "é"] * 4))
    event = Event(time=5, fields=(("event", "retry"), ("again", False)))
    span = Span(
        trace="1", id="2", service="a", operation="o", start=1, duration=2, tags=tags, process=tags, events=(event,)
    )
    assert unpacked(packed(span)) == span
    assert len(packed(span)) < 500


def test_the_oldest_traces_leave_when_there_are_too_many():
    store = Store(most=10)
    for n in range(20):
        store.add([span(trace=str(n)), span(trace=str(n), id="b")])
    assert store.count <= 10
    assert store.trace("19") and not store.trace("0")


@pytest.mark.parametrize(
    ("text", "microseconds"), [("1.5s", 1_500_000), ("20ms", 20_000), ("7us", 7), ("1m", 60_000_000)]
)
def test_durations(text, microseconds):
    assert query.duration(text) == microseconds
