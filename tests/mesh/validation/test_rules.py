"""Words and forms that the recorded answers do not cover."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.mesh import validation
from labkit.mesh.validation import durations, findings, names, regexes


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("/a.*", ""),
        (r"\d+\.\w{2,3}", ""),
        ("(?i)jason", ""),
        ("(?P<name>a)", ""),
        ("[[:alpha:]]+", ""),
        ("a(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("+a", "missing argument to repetition operator: `+`"),
    ],
)
def test_regular_expressions_are_those_of_re2(pattern: str, problem: str) -> None:
    complaint = regexes.problem(pattern, "uri")
    assert complaint.startswith(f'"uri": error parsing regexp: {problem};') if problem else not complaint


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1s", 1000),
        ("1m30s", 90_000),
        ("1.5h", 5_400_000),
        ("-2ms", -2),
        ("0", 0),
        ("5x", None),
        ("", None),
        ("s", None),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, milliseconds: int | None) -> None:
    length = durations.seconds(text)
    assert (None if length is None else length * 1000) == milliseconds


@pytest.mark.parametrize("host", ["*", "*.example.com", "reviews", "a.b.c.", "*-a.example.com"])
def test_a_wildcard_may_only_come_first(host: str) -> None:
    assert not names.wildcard_domain(host)
    assert names.wildcard_domain(f"x.{host}") if "*" in host else True


def test_several_errors_are_a_list_and_one_is_a_sentence() -> None:
    one, two = findings.error("a"), findings.error("b")
    assert findings.sentence([one]) == "a"
    assert findings.sentence([one, two]) == "2 errors occurred:\n\t* a\n\t* b\n\n"
    assert findings.sentence([findings.listed("a")]) == "1 error occurred:\n\t* a\n\n"


def _object(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def balanced(**hashed: Any) -> dict[str, Any]:
    return _object("DestinationRule", {"host": "a", "trafficPolicy": {"loadBalancer": {"consistentHash": hashed}}})


def changed(value: str) -> dict[str, Any]:
    route = {"route": [{"destination": {"host": "a"}}], "headers": {"request": {"set": {"x-a": value}}}}
    return _object("VirtualService", {"hosts": ["a"], "http": [route]})


def filtered(expression: str) -> dict[str, Any]:
    spec = {"accessLogging": [{"filter": {"expression": expression}}]}
    return {**_object("Telemetry", spec), "apiVersion": "telemetry.istio.io/v1"}


@pytest.mark.parametrize(
    ("obj", "error"),
    [
        (balanced(httpCookie={"name": ""}), "name required for HttpCookie"),
        (balanced(maglev={"tableSize": 5000077}), "tableSize must be less than 5000011 for maglev"),
        (balanced(maglev={"tableSize": 65537}), ""),
        (changed("b\nc"), "header value configuration b\nc is invalid"),
        (changed("b\tc"), ""),
        (filtered("has(request.headers['x-a'])"), "<input>:1:20: invalid argument to has() macro"),
        (filtered("has(request.headers)"), ""),
    ],
    ids=["cookie", "table", "good table", "line end", "tab", "index", "field"],
)
def test_what_istio_refuses_before_envoy_would(obj: dict[str, Any], error: str) -> None:
    refusal = validation.validate(obj).error
    assert error in refusal if error else not refusal


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"headers": {"request": {"set": {"": "a"}}}}, "header name cannot be empty"),
        ({"headers": {"request": {"add": {":path": "/"}}}}, 'invalid header ":path": header cannot have ":" prefix'),
        ({"headers": {"request": {"remove": ["Host"]}}}, 'invalid header "Host": cannot set Host header'),
        ({"headers": {"response": {"set": {"host": "a"}}}}, 'invalid header "host": cannot set Host header'),
        (
            {"headers": {"request": {"set": {"Host": "a"}, "add": {":authority": "b"}}}},
            'have "a", attempting to set "b"',
        ),
        ({"headers": {"request": {"set": {":authority": "a"}}}}, ""),
        ({"mirror": {"host": "b"}, "mirrorPercent": 101}, "mirror_percent must have a max value of 100 (it has 101)"),
        ({"mirror": {"host": "b"}, "mirrorPercent": 100}, ""),
    ],
)
def test_what_happens_to_requests_on_their_way(fields: dict[str, Any], problem: str) -> None:
    rule = {"route": [{"destination": {"host": "a"}}], **fields}
    error = validation.validate(_object("VirtualService", {"hosts": ["a"], "http": [rule]})).error
    assert problem in error if problem else not error


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"directResponse": {"status": 199}}, "HTTP status 199 is not in range 200-599"),
        ({"directResponse": {"status": 601}}, "HTTP status 601 is not in range 200-599"),
        ({"directResponse": {"status": 600}}, ""),
        ({"directResponse": {"status": 200, "body": {"string": "a" * 2**20 + "a"}}}, "must be less than 1MB"),
        ({"redirect": {"port": 70000}}, "port number 70000 must be in the range 1..65535"),
    ],
    ids=["below", "above", "one-above", "too-long", "port"],
)
def test_what_a_proxy_answers_itself(answer: dict[str, Any], problem: str) -> None:
    error = validation.validate(_object("VirtualService", {"hosts": ["a"], "http": [answer]})).error
    assert problem in error if problem else not error


_KINDS = [(group, kind) for group, kind in validation.CHECKS] + [("networking.istio.io", "EnvoyFilter")]
_FIELDS = st.sampled_from(
    [
        "hosts",
        "http",
        "route",
        "match",
        "destination",
        "host",
        "servers",
        "port",
        "tls",
        "rules",
        "from",
        "source",
        "selector",
    ]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=3),
    max_leaves=12,
)


@given(kind=st.sampled_from(_KINDS), spec=_ANY)
def test_anything_gets_a_verdict(kind: tuple[str, str], spec: Any) -> None:
    obj = {
        "apiVersion": f"{kind[0]}/v1",
        "kind": kind[1],
        "metadata": {"name": "x", "namespace": "default"},
        "spec": spec,
    }
    assert isinstance(validation.validate(obj), validation.Verdict)
