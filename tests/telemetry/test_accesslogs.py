"""Lines of access logs, as Envoys wrote them, and the way of a request that they tell."""

from datetime import UTC, datetime

import pytest

from labkit.telemetry import accesslogs

ID = "6f244e4b-676a-43cc-8155-3dea6edb019e"
ENTERED = (
    f'[2026-11-25T23:31:31.578Z] "GET /productpage HTTP/1.1" 200 - via_upstream - "-" 0 4657 49 48 "192.0.2.2" '
    f'"labkit/m1" "{ID}" "127.0.0.1:30442" "127.96.0.3:9080" outbound|9080||productpage.default.svc.cluster.local '
    "127.0.0.1:34646 127.0.0.1:30442 127.0.0.1:49402 - -"
)
SERVED = (
    f'[2026-11-25T23:31:31.582Z] "GET /productpage HTTP/1.1" 200 - via_upstream - "-" 0 4657 44 44 "192.0.2.2" '
    f'"labkit/m1" "{ID}" "127.0.0.1:30442" "127.97.0.3:9080" inbound|9080|| 127.0.0.1:41058 127.96.0.3:9080 '
    "192.0.2.2:0 outbound_.9080_._.productpage.default.svc.cluster.local default"
)
ASKED = (
    f'[2026-11-25T23:31:31.597Z] "GET /reviews/0 HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{{x}} - '
    f'"delayed connect error: 111" 0 422 22 - "-" "python" "{ID}" "reviews:9080" "127.96.0.7:9080" '
    "outbound|9080|v2|reviews.default.svc.cluster.local 127.0.0.1:44574 127.96.0.3:15001 127.0.0.1:38194 - mine"
)
REFUSED = (
    '[2026-11-25T23:31:31.597Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - '
    "127.96.0.7:9080 127.0.0.1:38194 - -"
)
JSON = (
    '{"start_time":"2026-11-25T23:31:31.578Z","method":"GET","path":"/","response_code":200,"duration":49,'
    f'"upstream_cluster":"inbound|9080||","request_id":"{ID}","response_flags":"-","authority":null}}'
)
LOGS = {"entry": f"starting Envoy\n{ENTERED}\n", "page": f"{ASKED}\n{SERVED}", "quiet": ""}
PODS = {"127.96.0.3": "page", "127.96.0.7": "reviews"}


def test_a_line_is_read_field_by_field():
    line = accesslogs.parse(ASKED)
    assert (line.method, line.path, line.status, line.flags) == ("GET", "/reviews/0", 503, "UF,URX")
    assert (line.failure, line.duration_ms, line.request_id) == ("delayed connect error: 111", 22.0, ID)
    assert (line.upstream_host, line.route, line.authority) == ("127.96.0.7:9080", "mine", "reviews:9080")
    assert line.start == datetime(2026, 11, 25, 23, 31, 31, 597000, tzinfo=UTC)


def test_an_address_may_have_brackets():
    line = accesslogs.parse(ENTERED.replace("127.0.0.1:34646", "[::1]:34646"))
    assert line == accesslogs.parse(ENTERED)


def test_json_says_the_same():
    line = accesslogs.parse(JSON)
    assert (line.status, line.duration_ms, line.cluster, line.flags, line.authority) == (
        200,
        49,
        "inbound|9080||",
        "",
        "",
    )


def test_a_connection_that_nothing_took_has_no_request():
    line = accesslogs.parse(REFUSED)
    assert (line.method, line.path, line.status, line.flags) == ("", "", 0, "NR")
    assert (line.details, line.destination) == ("filter_chain_not_found", "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(ENTERED, "productpage", id="a host"),
        pytest.param(ASKED, "reviews v2", id="a subset"),
        pytest.param(SERVED, "its app", id="the app"),
        pytest.param(
            ENTERED.replace("outbound|9080||productpage.default.svc.cluster.local", "PassthroughCluster"),
            "PassthroughCluster",
            id="outside",
        ),
    ],
)
def test_where_it_went_is_said_in_short(text, message):
    assert accesslogs.parse(text).destination == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "starting Envoy",
        "[2026-11-25 23:24:57.206][12631][warning][main] [source/server/server.cc:1059] There is no limit",
        "{not json",
        "[1, 2]",
        '{"start_time": "yesterday"}',
        ENTERED[:-2],
        ENTERED.replace(" 200 ", " fine "),
    ],
)
def test_what_is_no_such_line_is_none(text):
    assert accesslogs.parse(text) is None


@pytest.mark.parametrize("mark", [pytest.param(ID, id="by its id"), pytest.param("m1", id="by its mark")])
def test_a_request_is_followed_from_proxy_to_proxy(mark):
    steps = accesslogs.of_request(LOGS, mark)
    assert [(s.proxy, s.line.destination) for s in steps] == [
        ("entry", "productpage"),
        ("page", "its app"),
        ("page", "reviews v2"),
    ]


def test_the_caller_is_before_the_called_in_the_same_millisecond():
    served = SERVED.replace("31.582Z", "31.578Z").replace(" 44 44 ", " 49 44 ")
    assert [s.proxy for s in accesslogs.of_request({"page": served, "entry": ENTERED}, ID)] == ["entry", "page"]


def test_a_proxy_that_was_called_and_has_not_written_is_waited_for():
    steps = accesslogs.of_request(LOGS, ID)
    assert accesslogs.silent(steps, PODS) == {"reviews"}
    assert accesslogs.silent(steps[:1], PODS) == {"page"}
    assert accesslogs.silent([], PODS) == set()
