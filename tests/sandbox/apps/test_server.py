"""The HTTP server of the apps, spoken to in bytes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.sandbox.apps import channel, connection, exchange, server
from labkit.sandbox.apps.exchange import Request, Response


def echo(request: Request) -> Response:
    return exchange.text(f"{request.method} {request.path} {request.query} {request.body.decode()}")


async def sent(url: str, data: bytes, *, answers: int = 1) -> bytes:
    """What comes back for these bytes, up to the end of so many answers or of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(data)
    got = b""
    while got.count(b"HTTP/1.1 ") < answers or not got.endswith(b"."):
        more = await reader.read(65536)
        if not more:
            break
        got += more
    writer.close()
    return got


def test_a_connection_serves_one_request_after_another(world):
    url = world.serve(lambda r: exchange.text(f"{r.path}."))
    got = world.run(sent(url, b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", answers=2))
    assert b"/a." in got and b"/b." in got and b"connection: close" not in got


def test_slow_answers_keep_the_order_of_the_requests(world):
    async def slow_first(request: Request) -> Response:
        if request.path == "/a":
            await asyncio.sleep(0.02)
        return exchange.text(f"{request.path}.")

    got = world.run(sent(world.serve(slow_first), b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", answers=2))
    assert got.index(b"/a.") < got.index(b"/b.")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(b"Content-Length: 5", b"hello", id="by length"),
        pytest.param(b"Transfer-Encoding: chunked", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", id="in chunks"),
        pytest.param(b"Transfer-Encoding: chunked", b"5;x=y\r\nhello\r\n0\r\nT: t\r\n\r\n", id="with a trailer"),
    ],
)
def test_bodies_are_read_whole(world, head, body):
    url = world.serve(lambda r: exchange.text(f"{r.body.decode()}."))
    assert world.run(sent(url, b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n" + body)).endswith(b"hello.")


def test_a_head_in_pieces_is_put_together(world):
    async def piecewise(url: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for byte in b"GET /x HTTP/1.0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        got = await reader.read()
        writer.close()
        return got

    assert b"GET /x" in world.run(piecewise(world.serve(echo)))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"hello\r\n\r\n", 400, id="not a request line"),
        pytest.param(b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, id="not a header"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, id="not a length"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 70000, 431, id="headers without end"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, id="not a chunk"),
    ],
)
def test_nonsense_is_refused_and_the_connection_closed(world, data, status):
    assert world.run(sent(world.serve(echo), data)).startswith(b"HTTP/1.1 %d " % status)


def test_the_path_is_unquoted_and_the_query_left_alone(world):
    assert world.get(f"{world.serve(echo)}/a%20b?c=%20d").body == b"GET /a b c=%20d "


def test_head_has_no_body(world):
    reply = world.ask("HEAD", f"{world.serve(lambda r: exchange.text('hello'))}/")
    assert (reply.body, reply.headers["content-length"]) == (b"", "5")


def test_a_crash_of_the_app_is_a_500_and_the_server_goes_on(world, capsys):
    def crash(request: Request) -> Response:
        raise ValueError(request.path)

    url = world.serve(crash)
    assert [world.get(f"{url}/x").status for _ in range(2)] == [500, 500]
    assert "ValueError: /x" in capsys.readouterr().err


def test_a_streamed_body_arrives_in_chunks(world):
    async def parts():
        for part in (b"one ", b"two"):
            yield part

    reply = world.get(f"{world.serve(lambda r: Response(chunks=parts()))}/")
    assert (reply.body, reply.headers["transfer-encoding"]) == (b"one two", "chunked")


def test_a_body_that_breaks_off_is_not_taken_for_whole(world, capsys):
    async def parts():
        yield b"one "
        raise ValueError("broke off")

    with pytest.raises(channel.BrokenError):
        world.get(f"{world.serve(lambda r: Response(chunks=parts()))}/")
    assert "broke off" in capsys.readouterr().err


def test_an_access_line_names_what_was_asked_by_whom(world):
    log: list[str] = []
    url = world.serve(lambda r: exchange.text("ok"), log=log)
    world.get(f"{url}/reviews/0?a=b", end_user="jason", x_request_id="7")
    world.get(f"{url}/health")
    assert [line.split(" ", 1)[1].split(" ms")[0].rsplit(" ", 1)[0] for line in log] == ["GET /reviews/0?a=b 200 2 B"]
    assert log[0].endswith("ms user=jason id=7")


def test_a_request_in_flight_is_answered_when_the_server_ends(world):
    async def scenario() -> tuple[bytes, int]:
        started = asyncio.Event()

        async def slow(request: Request) -> Response:
            started.set()
            await asyncio.sleep(0.05)
            return exchange.text("done.")

        served = server.Server(slow)
        await served.start("127.0.0.1", 0)
        asking = asyncio.create_task(sent(f":{served.port}", b"GET / HTTP/1.1\r\n\r\n"))
        await started.wait()
        await served.stop()
        return await asking, len(served.connections)

    got, left = world.run(scenario())
    assert got.endswith(b"done.") and b"connection: close" in got and left == 0


def test_a_taken_port_ends_the_program_with_a_sentence(world, capsys):
    url = world.serve(echo)
    assert server.serve(echo, {"LABKIT_APP_IP": "127.0.0.1"}, port=int(url.rpartition(":")[2])) == 1
    assert "cannot listen on port " in capsys.readouterr().err


class Wire(asyncio.Transport):
    """A connection that only remembers what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


HEADS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"-1\r\n",
        b"a: b\r\n",
        b"\r\n",
        b"0\r\n\r\n",
        "Content-Length: ²\r\n".encode("latin-1"),
        b"GET /%zz HTTP/1.1\r\n\r\n",
    ]
)


@given(st.lists(HEADS | st.binary(max_size=40), max_size=6))
def test_any_bytes_are_answered_refused_or_waited_for(pieces):
    wire, opened = Wire(), connection.Connection(connection.Service(handler=echo))
    opened.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            opened.data_received(piece)
    assert not wire.written or wire.written.startswith(b"HTTP/1.1 ")


def test_a_bare_line_feed_does_not_smuggle_a_header(world):
    got = world.run(sent(world.serve(echo), b"GET / HTTP/1.1\r\na: b\nend-user: jason\r\n\r\n"))
    assert got.startswith(b"HTTP/1.1 400 ")
