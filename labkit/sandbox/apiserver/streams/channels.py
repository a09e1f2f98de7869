"""The channel protocol: every binary message is one byte, the channel's number, and data."""

from collections.abc import AsyncIterator, Sequence

import orjson
from aiohttp import WSMsgType, web

from labkit.kube import status
from labkit.kube.resources import Object

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
"""Version 5: the data is the number of a channel that its sender has closed."""

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
"""Best first."""

SUCCESS: Object = {"metadata": {}, "status": "Success"}


class Channels:
    """An accepted WebSocket; ``messages`` ends when the client leaves."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket

    def __repr__(self) -> str:
        return f"Channels({self.socket.ws_protocol}, closed={self.socket.closed})"

    async def send(self, channel: int, data: bytes) -> None:
        """One message; nothing once the client has left."""
        if not self.socket.closed:
            await self.socket.send_bytes(bytes([channel]) + data)

    async def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        """Channel and data of each message."""
        async for message in self.socket:
            if message.type is WSMsgType.BINARY and message.data:
                yield message.data[0], message.data[1:]
            elif message.type is WSMsgType.TEXT and message.data:
                text = message.data.encode()
                yield text[0], text[1:]

    async def finish(self, result: Object) -> None:
        """Say how the command ended, and close."""
        await self.send(ERROR, orjson.dumps(result))
        await self.close()

    async def close(self) -> None:
        """Close in good order."""
        if not self.socket.closed:
            await self.socket.close()


async def accept(
    request: web.Request, protocols: Sequence[str] = PROTOCOLS, *, heartbeat: float | None = None
) -> web.WebSocketResponse:
    """Upgrade the connection; a StatusError when the client offers none of the protocols.

    ``heartbeat`` is seconds between pings; None for none.
    """
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise status.refusal(
            "Upgrade request required: the sandbox speaks WebSockets (kubectl 1.31 or newer), not SPDY"
        )
    if not set(offered) & set(protocols):
        raise status.refusal(f"unable to upgrade: none of {offered} is one of {list(protocols)}")
    # The first of ours that they offer: aiohttp picks by the client's order.
    best = next(p for p in protocols if p in offered)
    socket = web.WebSocketResponse(
        protocols=[best], max_msg_size=0, compress=False, heartbeat=heartbeat, autoclose=True
    )
    await socket.prepare(request)
    return socket


def exit_status(code: int) -> Object:
    """How a command's exit code is told: ``exit_status(3)`` names 3 as the cause."""
    if code == 0:
        return SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def start_failure(message: str) -> Object:
    """A command that could not be started."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: error executing command in container: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": f"error executing command in container: {message}"}]},
        "code": 500,
    }
