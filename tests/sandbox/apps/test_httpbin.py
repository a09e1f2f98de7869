"""httpbin: the JSON of go-httpbin."""

import base64
import gzip
import json

import pytest

from labkit.sandbox.apps import httpbin


@pytest.fixture
def url(world):
    return world.serve(httpbin.handle)


def test_headers_come_back_as_lists_under_gos_names(world, url):
    found = world.json(f"{url}/headers", x_forwarded_client_cert="By=spiffe://a")["headers"]
    assert found["X-Forwarded-Client-Cert"] == ["By=spiffe://a"]
    assert found["Host"] == [url.removeprefix("http://")]


def test_get_tells_what_was_asked(world, url):
    found = world.json(f"{url}/get?a=1&a=2", x_forwarded_for="10.0.0.9, 10.0.0.1")
    assert (found["args"], found["method"], found["origin"]) == ({"a": ["1", "2"]}, "GET", "10.0.0.9")
    assert found["url"] == f"{url}/get?a=1&a=2"


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("application/json", b'{"a": 1}', {"data": '{"a": 1}', "json": {"a": 1}, "form": {}}),
        ("application/x-www-form-urlencoded", b"a=1", {"data": "", "json": None, "form": {"a": ["1"]}}),
        ("text/plain", b"hello", {"data": "hello", "json": None, "form": {}}),
    ],
)
def test_post_tells_the_body(world, url, kind, body, found):
    reply = world.ask("POST", f"{url}/post", headers={"content-type": kind}, body=body)
    got = json.loads(reply.body)
    assert {name: got[name] for name in found} == found


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/status/503", 503),
        ("/status/418", 418),
        ("/status/200:1,500:0", 200),
        ("/status/999", 400),
        ("/status/x", 400),
        ("/status/200:0", 400),
        ("/delay/0", 200),
        ("/delay/1ms", 200),
        ("/delay/11", 400),
        ("/delay/x", 400),
        ("/post", 405),
        ("/nowhere", 404),
        ("/unstable?failure_rate=1", 500),
        ("/unstable?failure_rate=0", 200),
        ("/bearer", 401),
        ("/json", 200),
        ("/html", 200),
        ("/robots.txt", 200),
        ("/uuid", 200),
        ("/", 200),
        ("/redirect-to", 400),
        ("/drip?numbytes=2&duration=0&delay=0&code=503", 503),
    ],
)
def test_statuses(world, url, path, status):
    assert world.get(url + path).status == status


def test_response_headers_are_sent_but_not_nonsense(world, url):
    reply = world.get(f"{url}/response-headers?x-a=1&bad%0d%0ax=y&x-b=c%0d%0ad")
    assert reply.headers["x-a"] == "1"
    assert not {"x-b", "x", "badx"} & set(reply.headers)


def test_stream_sends_a_line_for_each(world, url):
    lines = world.get(f"{url}/stream/3").body.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize(("path", "where"), [("/redirect/1", "/get"), ("/redirect/3", "/redirect/2")])
def test_redirects(world, url, path, where):
    assert world.get(url + path).headers["location"] == where


def test_cookies_are_set_and_read(world, url):
    assert world.get(f"{url}/cookies/set?a=b").headers["set-cookie"] == "a=b; Path=/; HttpOnly"
    assert world.json(f"{url}/cookies", cookie="a=b")["cookies"] == {"a": "b"}


@pytest.mark.parametrize(("password", "status"), [("p", 200), ("q", 401)])
def test_basic_auth(world, url, password, status):
    given = base64.b64encode(f"u:{password}".encode()).decode()
    assert world.get(f"{url}/basic-auth/u/p", authorization=f"Basic {given}").status == status


def test_a_bearer_token_comes_back(world, url):
    assert world.json(f"{url}/bearer", authorization="Bearer t")["token"] == "t"


def test_bytes_and_gzip(world, url):
    assert len(world.get(f"{url}/bytes/100").body) == 100
    assert json.loads(gzip.decompress(world.get(f"{url}/gzip").body))["gzipped"] is True


@pytest.mark.parametrize(("told", "name"), [("true", "pod-1"), ("", "go-httpbin")], ids=["told to", "by default"])
def test_the_pods_name_is_told_only_when_asked_for(world, url, monkeypatch, told, name):
    monkeypatch.setenv("HOSTNAME", "pod-1")
    monkeypatch.setenv("USE_REAL_HOSTNAME", told)
    assert json.loads(world.ask("GET", f"{url}/hostname").body) == {"hostname": name}
