"""Container output in files: one file for each life, every line with its time, bounded in size."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.kube import times

ROTATE_AT = 10 * 2**20
"""Bytes after which a new file is begun; the one before is kept. 10 MiB as the kubelet's containerLogMaxSize."""

LINE_AT_MOST = 16 * 2**10
"""Bytes of a line without an end before it is cut, as containerd does."""

_CHUNK = 65536


class Log:
    """The output of one life of a container, while it is written and after."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_closed = False
        self.turns = 0
        """How often the file was rotated."""
        self.listeners: set[Callable[[bytes | None], None]] = set()
        """Called with raw output as it comes, and with None at its end (``kubectl attach``)."""
        self._rest = b""
        self._size = 0
        self._readers: set[asyncio.Event] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def __repr__(self) -> str:
        return f"Log({self.path.name}, {self._size} bytes, closed={self.is_closed})"

    def write(self, data: bytes) -> None:
        """Raw output; a line is stored once it is complete."""
        for listener in list(self.listeners):
            listener(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_AT_MOST:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._store(lines)

    def close(self) -> None:
        """No more will come."""
        if self.is_closed:
            return
        if self._rest:
            self._store([self._rest])
        self.is_closed = True
        os.close(self._fd)
        for listener in list(self.listeners):
            listener(None)
        self._wake()

    def _store(self, lines: list[bytes]) -> None:
        stamp = times.now_nano().encode() + b" "
        text = b"".join([stamp + line + b"\n" for line in lines])
        # A full disk must not take the sandbox down with it.
        with contextlib.suppress(OSError):
            self._size += os.write(self._fd, text)
        if self._size > ROTATE_AT:
            self._rotate()
        self._wake()

    def _rotate(self) -> None:
        self.path.replace(older(self.path))
        os.close(self._fd)
        self._fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._size = 0
        self.turns += 1

    def _wake(self) -> None:
        for event in self._readers:
            event.set()

    @contextlib.contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something was stored, or the log was closed."""
        event = asyncio.Event()
        self._readers.add(event)
        try:
            yield event
        finally:
            self._readers.discard(event)


def older(path: Path) -> Path:
    """Where a log goes when its file is full."""
    return path.with_name(path.name + ".1")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What of a log to show."""

    tail: int | None = None
    """The last so many lines."""

    since: str = ""
    """RFC 3339 with nine digits: nothing older."""

    timestamps: bool = False
    limit: int | None = None
    """Bytes at most."""

    follow: bool = False


_STAMPS = re.compile(rb"(?m)^[0-9T:.Z-]{30} ")


async def read(path: Path, options: Options, *, live: Log | None = None) -> AsyncIterator[bytes]:
    """The log as asked for, in chunks of whole lines; with ``follow`` until ``live`` is closed."""
    left = options.limit
    async for chunk in _stored(path, options, live=live if options.follow else None):
        shown = _shown(chunk, options)
        if left is not None:
            shown = shown[:left]
            left -= len(shown)
        if shown:
            yield shown
        if left == 0:
            return


def _shown(chunk: bytes, options: Options) -> bytes:
    if options.since:
        first = options.since.encode()
        chunk = b"".join(line for line in chunk.splitlines(keepends=True) if line[: len(first)] >= first)
    return chunk if options.timestamps else _STAMPS.sub(b"", chunk)


async def _stored(path: Path, options: Options, *, live: Log | None) -> AsyncIterator[bytes]:
    with contextlib.ExitStack() as stack:
        event = stack.enter_context(live.changes()) if live else None
        turns = live.turns if live else 0
        for file, offset in _starts(path, options.tail):
            opened = stack.enter_context(contextlib.closing(_Lines(file, offset)))
            for chunk in opened:
                yield chunk
                await asyncio.sleep(0)
        while live and event:
            is_last = live.is_closed
            event.clear()
            while True:
                for chunk in opened:
                    yield chunk
                if turns == live.turns:
                    break
                turns = live.turns
                opened = stack.enter_context(contextlib.closing(_Lines(path, 0)))
            if is_last:
                return
            await event.wait()


class _Lines:
    """Whole lines of a file from an offset on, in chunks; iterate again for what was added meanwhile."""

    def __init__(self, path: Path, offset: int) -> None:
        self._file = path.open("rb")
        self._file.seek(offset)
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        while data := self._file.read(_CHUNK):
            whole, end, rest = data.rpartition(b"\n")
            if end:
                yield self._rest + whole + end
                self._rest = rest
            else:
                self._rest += rest

    def close(self) -> None:
        self._file.close()


def _starts(path: Path, tail: int | None) -> list[tuple[Path, int]]:
    """Files to read, older first, each with the offset where the last ``tail`` lines begin."""
    files = [file for file in (older(path), path) if file.exists()]
    if tail is None:
        return [(file, 0) for file in files]
    starts: list[tuple[Path, int]] = []
    for file in reversed(files):
        offset, lines = _last_lines(file, tail)
        starts.insert(0, (file, offset))
        tail -= lines
        if tail <= 0:
            break
    return starts


def _last_lines(path: Path, count: int) -> tuple[int, int]:
    """The offset where the last ``count`` lines begin, and how many there are from it."""
    with path.open("rb") as file:
        position = end = file.seek(0, os.SEEK_END)
        if count <= 0:
            return end, 0
        lines = 0
        while position > 0:
            start = max(0, position - _CHUNK)
            file.seek(start)
            block = file.read(position - start)
            # The newline that ends the last line begins no line after it.
            cut = len(block) - 1 if position == end else len(block)
            while (cut := block.rfind(b"\n", 0, cut)) >= 0:
                lines += 1
                if lines == count:
                    return start + cut + 1, count
            position = start
        return 0, lines + 1 if end else 0


def last_text(path: Path, *, lines: int) -> str:
    """The end of a log, without times."""
    offset, _ = _last_lines(path, lines)
    with path.open("rb") as file:
        file.seek(offset)
        return _STAMPS.sub(b"", file.read()).decode(errors="replace")
