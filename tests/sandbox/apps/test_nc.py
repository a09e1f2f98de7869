"""nc: how its command line is read, and connections with and without a proxy."""

import socket
import threading

import pytest

from labkit.sandbox.apps import nc


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["tcp-echo", "9000"], ("tcp-echo", 9000, nc.FIRST)),
        (["-w", "5", "tcp-echo", "9000"], ("tcp-echo", 9000, 5.0)),
        (["-nv", "-w1", "127.0.0.1", "80"], ("127.0.0.1", 80, 1.0)),
    ],
    ids=["host and port", "a limit", "joined"],
)
def test_command_lines_are_read(words, found):
    assert nc.parse(words) == found


@pytest.mark.parametrize("words", [[], ["host"], ["host", "http"], ["-l", "9000"], ["-w"]], ids=str)
def test_others_are_refused(words):
    with pytest.raises(nc.UsageError):
        nc.parse(words)


@pytest.fixture
def proxy():
    """Answers one CONNECT with a status of its own; gives what it was asked, and the environment that names it."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def answer(status):
        link, _ = listener.accept()
        with link:
            asked.append(link.recv(4096).decode().split("\r\n")[0])
            link.sendall(f"HTTP/1.1 {status}\r\nserver: x\r\n\r\n".encode() + b"first words")

    def serve(status):
        thread = threading.Thread(target=answer, args=(status,))
        thread.start()
        return {"http_proxy": f"http://127.0.0.1:{listener.getsockname()[1]}"}, asked, thread

    yield serve
    listener.close()


def test_a_tunnel_begins_behind_the_head_of_the_proxys_answer(proxy):
    env, asked, thread = proxy("200 OK")
    with nc.connected("tcp-echo", 9000, env) as link:
        assert link.recv(100) == b"first words"
    thread.join()
    assert asked == ["CONNECT tcp-echo:9000 HTTP/1.1"]


def test_a_tunnel_that_is_refused_is_a_refused_connection(proxy):
    env, _, thread = proxy("503 Service Unavailable")
    with pytest.raises(ConnectionRefusedError, match="503"):
        nc.connected("tcp-echo", 9000, env)
    thread.join()
