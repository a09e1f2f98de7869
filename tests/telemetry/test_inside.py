"""What programs inside a pod print."""

from labkit.telemetry import inside

OUT = 'HTTP/1.1 200 OK\r\nserver: envoy\r\nX-Envoy-Upstream-Service-Time: 3\r\n\r\n{"a": 1}\n--labkit-- 200 0.012'


def test_an_answer_has_its_status_headers_body_and_time():
    answer = inside.answer(OUT, "", 0)
    assert (answer.status, answer.body, answer.seconds) == (200, '{"a": 1}', 0.012)
    assert answer.headers["x-envoy-upstream-service-time"] == "3"


def test_a_head_before_the_last_one_is_passed_over():
    answer = inside.answer(f"HTTP/1.1 100 Continue\r\n\r\n{OUT}", "", 0)
    assert answer.headers["server"] == "envoy"


def test_an_empty_body_is_empty():
    assert inside.answer("HTTP/1.1 503 Service Unavailable\r\n\r\n\n--labkit-- 503 0.001", "", 0).body == ""


def test_no_answer_says_why_in_curls_words():
    why = "curl: (56) Recv failure: Connection reset by peer"
    answer = inside.answer("\n--labkit-- 000 0.000", f"{why}\n", 56)
    assert (answer.status, answer.error) == (0, why)
    assert repr(answer) == f"no answer: {why}"


def test_fortios_counts_are_read_by_status():
    counts = inside.counts("IP addresses distribution:\nCode 200 : 17 (85.0 %)\nCode 503 : 3 (15.0 %)\nAll done\n")
    assert counts.by_status == {200: 17, 503: 3}
    assert repr(counts) == "20 requests: 17 × 200, 3 × 503"
