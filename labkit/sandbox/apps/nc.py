"""nc: a connection of its own for standard input and output, or a look whether anybody listens."""

import os
import select
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.sandbox.network import door

QUIET = 0.2
"""Seconds without an answer, after the input has ended, that count as the end."""

FIRST = 2.0
"""Seconds that the first answer may take then, where ``-w`` does not say."""


class UsageError(Exception):
    """Arguments that name no host and port."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command line, read."""

    host: str
    port: int
    limit: float = FIRST
    """Seconds for the connection and for the first answer."""

    only_looks: bool = False
    """``-z``: connect and leave."""

    is_verbose: bool = False


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``nc [-zv] [-w SECONDS] HOST PORT``; 1 when nobody is there, in nc's words."""
    try:
        asked = parse(argv[1:])
    except UsageError as e:
        print(f"nc: {e}", file=sys.stderr)
        return 1
    try:
        with door.connect(asked.host, asked.port, env, within=asked.limit) as link:
            link.settimeout(None)
            if asked.is_verbose:
                print(f"{asked.host} ({asked.host}:{asked.port}) open", file=sys.stderr)
            if not asked.only_looks:
                _carry(link, asked.limit)
    except socket.gaierror:
        print(f"nc: bad address '{asked.host}'", file=sys.stderr)
        return 1
    except OSError as e:
        if asked.is_verbose or not asked.only_looks:
            why = "Connection timed out" if isinstance(e, TimeoutError) else e.strerror or e
            print(f"nc: {asked.host} ({asked.host}:{asked.port}): {why}", file=sys.stderr)
        return 1
    return 0


def parse(words: Sequence[str]) -> Asked:
    """``["-w", "2", "tcp-echo", "9000"]``; flags may be joined."""
    rest, limit, flags = list(words), FIRST, set()
    while rest and rest[0].startswith("-"):
        letters = rest.pop(0)[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "w":
                value, letters = letters or (rest.pop(0) if rest else ""), ""
                if not value.isdigit():
                    raise UsageError("-w needs a number of seconds")
                limit = float(value)
            elif letter in "nvz":
                flags.add(letter)
            else:
                raise UsageError(f"there is no option -{letter} here; there are -z, -v, -n and -w SECONDS")
    if len(rest) != 2 or not rest[1].isdigit():
        raise UsageError("usage: nc [-zv] [-w SECONDS] HOST PORT")
    return Asked(host=rest[0], port=int(rest[1]), limit=limit, only_looks="z" in flags, is_verbose="v" in flags)


def _carry(link: socket.socket, limit: float) -> None:
    """Input to the connection, answers to the output, until the other end closes or is quiet after our end."""
    sources: list[int] = [link.fileno(), sys.stdin.fileno()]
    ended, answered = 0.0, False
    while True:
        left = (QUIET if answered else limit) - (time.monotonic() - ended) if ended else None
        ready = select.select(sources, [], [], None if left is None else max(0.0, left))[0]
        if not ready:
            return
        for source in ready:
            data = os.read(source, 65536)
            if source == link.fileno():
                if not data:
                    return
                os.write(sys.stdout.fileno(), data)
                answered, ended = True, time.monotonic() if ended else 0.0
            elif data:
                link.sendall(data)
            else:
                sources.remove(source)
                ended = time.monotonic()
