"""httpbin's WebSocket echo, asked by a client of another make and by hand."""

import aiohttp
import pytest

from labkit.sandbox.apps import httpbin
from labkit.sandbox.apps.httpbin import websocket


@pytest.fixture
def url(world):
    return world.serve(httpbin.handle)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 70_000], ids=str)
def test_what_is_sent_comes_back(world, url, size):
    async def scene():
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/websocket/echo") as client:
            await client.send_str("ü" * (size // 2))
            await client.send_bytes(b"\xff" * size)
            return [(await client.receive(5)).data, (await client.receive(5)).data]

    assert world.run(scene()) == ["ü" * (size // 2), b"\xff" * size]


def masked(kind, payload, *, final=True, mask=b"\1\2\3\4"):
    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if final else 0) | kind, 0x80 | len(payload)]) + mask + data


class Wire:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written, self.is_closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.is_closed = True


def replies_to(*pieces):
    wire = Wire()
    echo = websocket.Echo(wire)
    for piece in pieces:
        echo.data_received(piece)
    return wire.written, wire.is_closed


def test_fragments_are_one_message_and_a_ping_between_them_is_answered():
    pieces = masked(1, b"a", final=False), masked(9, b"?"), masked(0, b"b")
    assert replies_to(b"".join(pieces)) == (b"\x8a\x01?" + b"\x81\x02ab", False)


def test_a_message_may_come_byte_by_byte():
    assert replies_to(*(bytes([byte]) for byte in masked(2, b"xyz"))) == (b"\x82\x03xyz", False)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(8, b""), 1000),
        (b"\x81\x01a", 1002),
        (masked(0, b"a"), 1002),
        (masked(1, b"a", final=False) + masked(1, b"b"), 1002),
        (masked(9, b"a", final=False), 1002),
        (masked(3, b"a"), 1002),
        (masked(1, b"\xff"), 1007),
        (b"\x82\xff" + (2**40).to_bytes(8), 1009),
    ],
    ids=[
        "farewell",
        "no mask",
        "nothing to continue",
        "not continued",
        "a ping in parts",
        "unknown",
        "no text",
        "huge",
    ],
)
def test_what_breaks_the_rules_closes_with_a_code(sent, code):
    assert replies_to(sent) == (b"\x88\x02" + code.to_bytes(2), True)
