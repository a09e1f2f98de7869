"""The door by which a pod's programs reach the network: it asks where a connection goes, and makes it.

In a container a kernel redirects what a program connects to. Here ``door.sock`` in the pod's folder answers what would
become of a connection, and the program makes that one: to a socket of its own pod, to its Envoy with a PROXY header
that says where it wanted to go, or to the address itself. Standard library only: the smallest programs load it.
"""

import asyncio
import errno
import json
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from labkit.sandbox.network import proxyheader, sockets

FOLDER = "LABKIT_NETWORK"
"""The variable that names the folder of the pod's sockets; outside a pod there is none."""

USER = "LABKIT_UID"
"""The variable with the number of the container's user."""

SOCKET = "door.sock"
NO_NAME, REFUSED = "name", "refused"

REMEMBERED = 1.0
"""Seconds for which an answer that names no endpoint is used again."""

Protocol = TypeVar("Protocol", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where a connection goes."""

    socket: str = ""
    """A socket of the pod's folder; empty for an address."""

    source: str = ""
    """The address it comes from."""

    address: str = ""
    port: int = 0
    is_announced: bool = False
    """Whether it must begin with a header that says source and destination."""

    error: str = ""
    """Why it goes nowhere: NO_NAME or REFUSED."""

    def encoded(self) -> bytes:
        """As JSON, without what is empty."""
        return json.dumps({key: value for key, value in asdict(self).items() if value}).encode()


def error_of(answer: Answer) -> OSError:
    """What a program meets that connects to nowhere."""
    if answer.error == NO_NAME:
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def header(answer: Answer) -> bytes:
    """What the connection begins with."""
    if not answer.is_announced:
        return b""
    return proxyheader.of((answer.source, random.randint(32768, 60999)), (answer.address, answer.port))


def _question(host: str, port: int, env: Mapping[str, str]) -> bytes:
    return json.dumps({"host": host, "port": port, "uid": int(env.get(USER) or 0)}).encode() + b"\n"


def _answer(line: bytes) -> Answer:
    return Answer(**json.loads(line))


_answers: dict[tuple[str, str, int], tuple[float, Answer]] = {}


def _remembered(key: tuple[str, str, int]) -> Answer | None:
    when, answer = _answers.get(key, (0.0, None))
    return answer if answer is not None and time.monotonic() - when < REMEMBERED else None


def _remember(key: tuple[str, str, int], answer: Answer) -> Answer:
    # A Service's endpoint is chosen anew for each connection; what has no name now may have one in a moment.
    if answer.is_announced:
        _answers[key] = time.monotonic(), answer
    return answer


def folder_of(env: Mapping[str, str]) -> Path | None:
    """The folder of the pod's sockets; None outside a pod."""
    path = env.get(FOLDER)
    return Path(path) if path and (Path(path) / SOCKET).exists() else None


def connect(host: str, port: int, env: Mapping[str, str], *, within: float | None = None) -> socket.socket:
    """A connection; socket.gaierror for a name that nobody knows, OSError where nobody listens."""
    folder = folder_of(env)
    if folder is None:
        return socket.create_connection((host, port), within)
    key = str(folder), host, port
    answer = _remembered(key) or _remember(key, _answer(_asked(folder, _question(host, port, env), within)))
    if answer.error:
        raise error_of(answer)
    if answer.socket:
        link = _connected(folder / answer.socket, within)
        link.sendall(header(answer))
        return link
    source = (answer.source, 0) if answer.source and answer.address.startswith("127.") else None
    return socket.create_connection((answer.address, answer.port), within, source_address=source)


def look(host: str, port: int, env: Mapping[str, str]) -> Answer | None:
    """What would become of a connection; None outside a pod."""
    folder = folder_of(env)
    return _answer(_asked(folder, _question(host, port, env), None)) if folder else None


def resolve(host: str, env: Mapping[str, str]) -> list[str]:
    """The addresses of a name as the pod's resolver has them; none where there is no such name."""
    folder = folder_of(env)
    if folder is None:
        try:
            entries = socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
        except OSError:
            return []
        return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    question = json.dumps({"host": host, "port": 0, "resolve": True}).encode() + b"\n"
    return [str(address) for address in json.loads(_asked(folder, question, None))["addresses"]]


def _asked(folder: Path, question: bytes, within: float | None) -> bytes:
    with sockets.connect(folder / SOCKET, within=within) as link:
        link.sendall(question)
        return _line(link)


def _line(link: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = link.recv(4096)
        if not part:
            raise ConnectionResetError(errno.ECONNRESET, "the pod's network does not answer")
        line += part
    return line


def _connected(path: Path, within: float | None) -> socket.socket:
    try:
        return sockets.connect(path, within=within)
    except FileNotFoundError:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused") from None


async def open_connection(
    factory: Callable[[], Protocol], host: str, port: int, env: Mapping[str, str]
) -> tuple[asyncio.BaseTransport, Protocol]:
    """The same for a protocol of asyncio."""
    loop, folder = asyncio.get_running_loop(), folder_of(env)
    if folder is None:
        return await loop.create_connection(factory, host, port)
    key = str(folder), host, port
    answer = _remembered(key) or _remember(key, await _ask_later(folder, _question(host, port, env)))
    if answer.error:
        raise error_of(answer)
    if answer.socket:
        link = _connected(folder / answer.socket, None)
        link.setblocking(False)
        transport, protocol = await loop.create_unix_connection(factory, sock=link)
        transport.write(header(answer))
        return transport, protocol
    local = (answer.source, 0) if answer.source and answer.address.startswith("127.") else None
    return await loop.create_connection(factory, answer.address, answer.port, local_addr=local)


async def _ask_later(folder: Path, question: bytes) -> Answer:
    loop = asyncio.get_running_loop()
    with sockets.connect(folder / SOCKET) as link:
        link.setblocking(False)
        await loop.sock_sendall(link, question)
        line = b""
        while not line.endswith(b"\n"):
            part = await loop.sock_recv(link, 4096)
            if not part:
                raise ConnectionResetError(errno.ECONNRESET, "the pod's network does not answer")
            line += part
    return _answer(line)


def announce(port: int, env: Mapping[str, str]) -> socket.socket | None:
    """Tell the pod's network that a program listens on a port, for as long as the result is open."""
    folder = folder_of(env)
    if folder is None:
        return None
    link = sockets.connect(folder / SOCKET, within=5.0)
    link.sendall(json.dumps({"listen": port}).encode() + b"\n")
    _line(link)
    return link


def stand_in(env: Mapping[str, str]) -> None:
    """Have the pod's network look where the container's program listens that knows no door."""
    folder = folder_of(env)
    if folder is not None:
        _asked(folder, json.dumps({"stand_in": True}).encode() + b"\n", 5.0)
