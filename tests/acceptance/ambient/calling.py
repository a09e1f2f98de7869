"""Pods that join and leave ambient while they call each other: every call is counted."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labkit.sandbox.network import door

REQUEST = "GET /status/200 HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
WITHIN = 60.0
PAUSE = 0.002


@dataclass(kw_only=True)
class Calls:
    """What became of the calls so far."""

    good: int = 0
    failed: list[str] = field(default_factory=list)
    is_over: bool = False

    def call(self, folder: Path, host: str, port: int) -> None:
        """One request on a connection of its own, made as a program of the pod with this folder makes it."""
        try:
            with door.connect(host, port, {door.FOLDER: str(folder)}, within=WITHIN) as link:
                link.settimeout(WITHIN)
                link.sendall(REQUEST.format(host=host, port=port).encode())
                answer = b""
                while data := link.recv(65536):
                    answer += data
        except OSError as e:
            self.failed.append(repr(e))
            return
        if answer.startswith(b"HTTP/1.1 200"):
            self.good += 1
        else:
            self.failed.append(repr(answer[:40]))


@contextmanager
def calling(folders: Sequence[Path], targets: Sequence[tuple[str, int]], *, callers: int = 2) -> Iterator[Calls]:
    """Calls from every pod to every target, in turn, until the context ends."""
    calls = Calls()

    def run(start: int) -> None:
        number = start
        while not calls.is_over:
            calls.call(folders[number % len(folders)], *targets[number * 7 % len(targets)])
            number += 1
            time.sleep(PAUSE)

    threads = [threading.Thread(target=run, args=(31 * n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield calls
    finally:
        calls.is_over = True
        for thread in threads:
            thread.join()
