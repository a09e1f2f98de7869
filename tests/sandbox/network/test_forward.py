"""The outbound proxy of pods outside the mesh."""

import asyncio

import pytest

from labkit.sandbox.network import forward, routes


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


async def ask(resolve, request):
    """The proxy's whole answer."""
    loop = asyncio.get_running_loop()
    proxy = await loop.create_server(lambda: forward.Inbound(resolve), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
    writer.write(request)
    reply = await reader.read()
    writer.close()
    proxy.close()
    return reply


def test_a_request_reaches_the_endpoint_and_its_answer_comes_back():
    async def scene():
        app = await asyncio.start_server(answer, "127.0.0.1", 0)
        place = app.sockets[0].getsockname()
        reply = await ask(lambda host, port: place, b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n")
        app.close()
        return reply

    assert asyncio.run(scene()).endswith(b"here")


def test_a_name_that_leads_nowhere_is_a_502_with_the_reason():
    def nowhere(host, port):
        raise routes.NoRouteError(f"no service {host}")

    reply = asyncio.run(ask(nowhere, b"GET http://x:80/ HTTP/1.1\r\n\r\n"))
    assert reply.startswith(b"HTTP/1.1 502 ")
    assert b"no service x" in reply
