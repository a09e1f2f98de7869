"""The forwarder: an HTTP proxy for programs that are not the catalogue's."""

import asyncio
import base64

import pytest

from labkit.sandbox.network import forward, splice


def test_an_absolute_request_becomes_a_plain_one_that_closes():
    head = b"GET http://reviews:9080/a?b=1 HTTP/1.1\r\nHost: reviews:9080\r\nProxy-Connection: keep-alive\r\nX-A: 1"
    read = forward.read_head(head)
    assert (read.host, read.port) == ("reviews", 9080)
    assert read.head == b"GET /a?b=1 HTTP/1.1\r\nHost: reviews:9080\r\nX-A: 1\r\nConnection: close\r\n\r\n"


def test_an_upgrade_is_passed_on():
    head = b"GET http://chat/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket"
    assert b"Connection: Upgrade" in forward.read_head(head).head


def test_connect_leads_to_a_plain_tunnel():
    read = forward.read_head(b"CONNECT reviews:9443 HTTP/1.1\r\nHost: reviews:9443")
    assert (read.host, read.port, read.head) == ("reviews", 9443, b"")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1", b"nonsense", b"GET ftp://x/ HTTP/1.1"])
def test_anything_else_is_refused(head):
    with pytest.raises(forward.RequestError):
        forward.read_head(head)


async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhere")
    writer.close()


async def ask(dial, request):
    """The forwarder's whole answer; the network is that of whoever says ``secret``."""
    loop = asyncio.get_running_loop()
    authenticate = {"secret": dial}.get
    proxy = await loop.create_server(lambda: forward.Inbound(authenticate), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
    writer.write(request)
    reply = await reader.read()
    writer.close()
    proxy.close()
    return reply


KEY = b"Proxy-Authorization: Basic " + base64.b64encode(b"pod:secret") + b"\r\n"


def test_a_request_reaches_the_endpoint_and_its_answer_comes_back():
    async def scene():
        app = await asyncio.start_server(answer, "127.0.0.1", 0)
        place = app.sockets[0].getsockname()
        reply = await ask(
            lambda host, port: splice.connect(place), b"GET http://x/ HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n"
        )
        app.close()
        return reply

    assert asyncio.run(scene()).endswith(b"here")


async def nowhere(host, port):
    raise OSError(f"no service {host}")


def test_a_request_that_leads_nowhere_is_not_answered():
    assert asyncio.run(ask(nowhere, b"GET http://x:80/ HTTP/1.1\r\n" + KEY + b"\r\n")) == b""


def test_a_tunnel_that_leads_nowhere_is_a_502_with_the_reason():
    reply = asyncio.run(ask(nowhere, b"CONNECT x:80 HTTP/1.1\r\n" + KEY + b"\r\n"))
    assert reply.startswith(b"HTTP/1.1 502 ")
    assert b"no service x" in reply


@pytest.mark.parametrize("text", [b"", b"Proxy-Authorization: Basic cG9kOm5v\r\n", b"Proxy-Authorization: x\r\n"])
def test_a_stranger_is_refused(text):
    reply = asyncio.run(ask(nowhere, b"GET http://x:80/ HTTP/1.1\r\n" + text + b"\r\n"))
    assert reply.startswith(b"HTTP/1.1 407 ")


def test_the_credentials_end_at_the_forwarder():
    read = forward.read_head(b"GET http://x/ HTTP/1.1\r\nHost: own.example\r\n" + KEY.strip())
    assert (read.token, b"secret" in read.head, b"Basic" in read.head) == ("secret", False, False)
    assert b"Host: own.example" in read.head
