"""Sending and waiting: counts, users, headers, what the table says."""

import threading

import pytest

from labkit import traffic
from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.bookinfo import reviews, session
from labkit.traffic import login

COLUMNS = ["time", "status", "latency_ms", "version", "pod", "bytes_received", "error"]


def test_a_row_for_each_request(serve):
    url = serve(reviews.app(None, {"HOSTNAME": "reviews-v1-5f4d584748-x7k2p"}))
    frame = traffic.send(url, "/reviews/0", count=30)
    assert list(frame.columns) == COLUMNS and len(frame) == 30
    assert (set(frame.status), set(frame.version)) == ({200}, {"v1"})
    assert set(frame.pod) == {"reviews-v1-5f4d584748-x7k2p"}
    assert str(frame.time.dtype).endswith("UTC]") and frame.time.is_monotonic_increasing
    assert (frame.latency_ms > 0).all() and (frame.bytes_received > 300).all()


def test_one_request_is_the_default(serve):
    assert len(traffic.send(serve(lambda r: exchange.text("ok")))) == 1


def test_a_user_logs_in_once_and_sends_the_session(serve):
    users, logins = [], []

    def handle(request):
        if request.path == "/login":
            logins.append(request.body)
            return exchange.Response(status=302, fields=[("set-cookie", session.login("jason"))])
        users.append(session.user_of(request.headers))
        return exchange.text("ok")

    traffic.send(serve(handle), "/productpage", count=5, user="jason")
    assert (logins, users) == ([b"username=jason"], ["jason"] * 5)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        pytest.param(None, "status 404", id="no login page"),
        pytest.param("http://127.0.0.1:1", "", id="nobody"),
    ],
)
def test_a_login_without_a_session_says_what_to_check(serve, url, seen):
    url = url or serve(lambda r: exchange.text("no", status=404))
    with pytest.raises(login.LoginError, match=f"(?s)'jason'.*{seen}.*bookinfo-gateway"):
        traffic.send(url, count=1, user="jason")


def test_headers_are_sent_and_may_replace_our_own(serve):
    seen = []

    def handle(request):
        seen.append((request.headers["end-user"], request.headers["user-agent"], request.headers["host"]))
        return exchange.text("ok")

    headers = {"end-user": "jason", "User-Agent": "mine", "Host": "bookinfo.example"}
    traffic.send(serve(handle), "/", headers=headers)
    assert seen == [("jason", "mine", "bookinfo.example")]


def test_an_error_response_keeps_its_reason(serve):
    frame = traffic.send(serve(lambda r: exchange.text("no healthy upstream", status=503)), count=1)
    assert (frame.status[0], frame.error[0], frame.version[0]) == (503, "no healthy upstream", "")


def test_no_response_is_status_0_with_the_reason():
    frame = traffic.send("http://127.0.0.1:1", count=2)
    assert list(frame.status) == [0, 0] and all(frame.error)


def test_no_thread_is_left(serve):
    url = serve(lambda r: exchange.text("ok"))
    before = threading.active_count()
    traffic.send(url, count=10)
    assert threading.active_count() == before


def test_it_does_not_follow_a_redirect(serve):
    url = serve(lambda r: exchange.Response(status=302, fields=[("location", "http://203.0.113.1/")]))
    assert list(traffic.send(url, count=1).status) == [302]
