"""Two connections joined carry everything, also after one side is done."""

import asyncio
import socket
import struct

from labkit.sandbox.network import routes, splice


async def through(serve, dial=None):
    """Send a megabyte through a splice to ``serve``, half-close, and return what comes back."""
    loop = asyncio.get_running_loop()
    app = await asyncio.start_server(serve, "127.0.0.1", 0)
    place = app.sockets[0].getsockname()
    door = await loop.create_server(lambda: splice.Inbound(dial or (lambda: splice.connect(place))), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*door.sockets[0].getsockname())
    try:
        writer.write(b"x" * 2**20)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.close()
        door.close()
        app.close()


async def count_then_answer(reader, writer):
    data = await reader.read(-1)
    writer.write(str(len(data)).encode())
    writer.close()


def test_the_far_side_sees_the_end_and_can_still_answer():
    assert asyncio.run(through(count_then_answer)) == str(2**20).encode()


def test_without_an_endpoint_the_connection_breaks():
    async def nowhere():
        raise routes.NoRouteError("none")

    assert not asyncio.run(through(count_then_answer, nowhere))


def test_a_reset_of_the_far_side_is_a_reset_here_too():
    async def close_unread(reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    assert asyncio.run(through(close_unread)) is None
