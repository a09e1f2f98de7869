"""A forwarded port whose connection breaks: whoever reads is told, and nothing is printed into a notebook."""

import socket
import ssl

import pytest
import websocket

from labkit.kube import channels

PORT = 15000


class Broken:
    """A WebSocket to a kubelet that is gone: what is sent fails as over TLS, or what is received."""

    connected = True

    def __init__(self, reason, *, is_received):
        self._reason, self._ends = reason, socket.socketpair()
        self.sock = self
        if is_received:
            self._ends[1].send(b"x")  # so that the channel looks

    def fileno(self):
        return self._ends[0].fileno()

    def send(self, _):
        raise self._reason

    def recv_data_frame(self, _):
        raise self._reason

    def shutdown(self):
        for end in self._ends:
            end.close()


BREAKS = {
    "TLS ends in the middle of a request": (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), False),
    "the peer resets": (ConnectionResetError(104, "Connection reset by peer"), False),
    "the server's frames are none": (websocket.WebSocketProtocolException("Invalid opcode"), True),
}


@pytest.mark.parametrize(("reason", "is_received"), BREAKS.values(), ids=BREAKS)
def test_a_broken_connection_ends_the_channel_with_its_reason(reason, is_received):
    link = Broken(reason, is_received=is_received)
    channel = channels.Channel(link, [PORT])
    caller = channel.socket(PORT)
    caller.settimeout(10.0)
    if not is_received:
        caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert caller.recv(1) == b"", "the caller reads the end and does not wait"
    assert str(reason) in channel.error(PORT)
    channel.close()
