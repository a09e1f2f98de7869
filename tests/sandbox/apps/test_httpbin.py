"""httpbin: the JSON of go-httpbin."""

import base64
import gzip
import hashlib
import json

import pytest

from labkit.sandbox.apps import httpbin


@pytest.fixture
def url(world):
    return world.serve(httpbin.handle)


def test_headers_come_back_as_lists_under_gos_names(world, url):
    headers = world.json(f"{url}/headers", x_forwarded_client_cert="By=spiffe://a")["headers"]
    assert headers["X-Forwarded-Client-Cert"] == ["By=spiffe://a"]
    assert headers["Host"] == [url.removeprefix("http://")]


def test_get_tells_what_was_asked(world, url):
    body = world.json(f"{url}/get?a=1&a=2", x_forwarded_for="10.0.0.9, 10.0.0.1")
    assert (body["args"], body["method"], body["origin"]) == ({"a": ["1", "2"]}, "GET", "10.0.0.9")
    assert body["url"] == f"{url}/get?a=1&a=2"


@pytest.mark.parametrize(
    ("kind", "body", "result"),
    [
        ("application/json", b'{"a": 1}', {"data": '{"a": 1}', "json": {"a": 1}, "form": {}}),
        ("application/x-www-form-urlencoded", b"a=1", {"data": "", "json": None, "form": {"a": ["1"]}}),
        ("text/plain", b"hello", {"data": "hello", "json": None, "form": {}}),
    ],
)
def test_post_tells_the_body(world, url, kind, body, result):
    reply = world.ask("POST", f"{url}/post", headers={"content-type": kind}, body=body)
    got = json.loads(reply.body)
    assert {name: got[name] for name in result} == result


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


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/base64/aGVsbG8", 200, b"hello"),
        ("/base64/decode/aGVsbG8=", 200, b"hello"),
        ("/base64/encode/hello", 200, b"aGVsbG8="),
        ("/base64/decode/!", 400, b"illegal base64"),
        ("/range/5", 200, b"abcde"),
        ("/deny", 200, b"YOU SHOULDN'T"),
        ("/xml", 200, b"<slideshow"),
        ("/forms/post", 200, b"<form"),
        ("/encoding/utf8", 200, "Ελληνικά".encode()),
        ("/links/3/1", 200, b'<a href="/links/3/2">2</a>'),
        ("/image/svg", 200, b"<svg"),
        ("/image/bmp", 404, b"no image of kind"),
        ("/brotli", 501, b"Not Implemented"),
        ("/dump/request", 200, b"GET /dump/request HTTP/1.1\r\n"),
        ("/sse?count=2&duration=0", 200, b'event: ping\ndata: {"id": 1'),
        ("/stream-bytes/5?seed=1&chunk_size=2", 200, b""),
        ("/hidden-basic-auth/u/p", 404, b"Not Found"),
        ("/digest-auth/auth-int/u/p", 400, b"qop"),
        ("/websocket/echo", 400, b"invalid websocket handshake"),
        ("/env", 200, b'"env": {'),
    ],
)
def test_other_paths(world, url, path, status, body):
    reply = world.get(url + path)
    assert (reply.status, body in reply.body) == (status, True)


def test_the_same_seed_gives_the_same_bytes(world, url):
    assert world.get(f"{url}/bytes/9?seed=4").body == world.get(f"{url}/stream-bytes/9?seed=4").body


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=1-3", 206, b"bcd", "bytes 1-3/6"),
        ("bytes=4-", 206, b"ef", "bytes 4-5/6"),
        ("bytes=-2", 206, b"ef", "bytes 4-5/6"),
        ("bytes=9-", 416, b"", "bytes */6"),
    ],
)
def test_a_part_is_sent_when_asked_for(world, url, asked, status, body, told):
    reply = world.get(f"{url}/range/6", range=asked)
    assert (reply.status, reply.body, reply.headers["content-range"]) == (status, body, told)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": '"a"'}, 304),
        ({"if-none-match": '"b", W/"a"'}, 304),
        ({"if-none-match": '"b"'}, 200),
        ({"if-match": '"a"'}, 200),
        ({"if-match": '"b"'}, 412),
    ],
)
def test_an_entity_tag_decides(world, url, headers, status):
    reply = world.ask("GET", f"{url}/etag/a", headers=headers)
    assert (reply.status, reply.headers["etag"]) == (status, '"a"')


def test_a_cached_answer_is_not_sent_again(world, url):
    assert world.get(f"{url}/cache").headers["etag"]
    assert world.ask("GET", f"{url}/cache", headers={"if-none-match": "x"}).status == 304
    assert world.get(f"{url}/cache/60").headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/absolute-redirect/2", "URL/absolute-redirect/1"),
        ("/absolute-redirect/1", "URL/get"),
        ("/redirect/2?absolute=true", "URL/redirect/1"),
        ("/links/4", "/links/4/0"),
        ("/cookies/delete?a=", "/cookies"),
    ],
)
def test_more_redirects(world, url, path, where):
    assert world.get(url + path).headers["location"] == where.replace("URL", url)


def test_every_origin_may_read_and_ask_before(world, url):
    reply = world.ask("OPTIONS", f"{url}/get", headers={"origin": "http://a", "access-control-request-headers": "x-b"})
    assert (reply.status, reply.headers["access-control-allow-headers"]) == (200, "x-b")
    assert world.ask("GET", f"{url}/get", headers={"origin": "http://a"}).headers["access-control-allow-origin"] == (
        "http://a"
    )
    assert world.get(f"{url}/get").headers["access-control-allow-origin"] == "*"


def test_a_form_of_parts_is_told_by_field_and_file(world, url):
    body = (
        b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--b\r\ncontent-disposition: form-data; name="f"; filename="x.txt"\r\n\r\nhello\r\n--b--\r\n'
    )
    reply = world.ask("POST", f"{url}/post", headers={"content-type": "multipart/form-data; boundary=b"}, body=body)
    document = json.loads(reply.body)
    assert (document["form"], document["files"], document["data"]) == ({"a": ["1"]}, {"f": ["hello"]}, "")


def test_a_body_that_is_no_text_is_told_in_base64(world, url):
    body = b"\xff\x00"
    document = json.loads(world.ask("POST", f"{url}/anything", body=body).body)
    assert document["data"] == f"data:application/octet-stream;base64,{base64.b64encode(body).decode()}"


def test_digest_authentication_takes_the_right_answer_only(world, url):
    challenge = world.get(f"{url}/digest-auth/auth/u/p/SHA-256").headers["www-authenticate"]
    nonce = challenge.partition('nonce="')[2].partition('"')[0]

    def answered(password):
        def hashed(text):
            return hashlib.sha256(text.encode()).hexdigest()

        path = "/digest-auth/auth/u/p/SHA-256"
        proof, asked = hashed(f"u:Fake Realm:{password}"), hashed(f"GET:{path}")
        response = hashed(f"{proof}:{nonce}:00000001:c:auth:{asked}")
        fields = {"username": "u", "nonce": nonce, "uri": path, "cnonce": "c", "response": response}
        given = "Digest " + ", ".join(f'{k}="{v}"' for k, v in fields.items()) + ", qop=auth, nc=00000001"
        return world.get(url + path, authorization=given).status

    assert (answered("p"), answered("q")) == (200, 401)
