"""A stand-in for Redis: counters and texts that expire, in memory, for the rate limit service beside it.

It is not Redis: it knows the commands below, keeps nothing on disk, and holds at most ``MOST`` keys; beyond that the
keys that would expire first make room, and its log says so.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.sandbox.apps import resp
from labkit.sandbox.network import handover

PORT = 6379
MOST = 200_000
"""Keys; with names of a hundred letters these are some 60 MB."""

NEVER = 2**62
COMMANDS = "PING ECHO INCR INCRBY GET SET EXPIRE TTL DEL EXISTS DBSIZE FLUSHALL INFO SELECT QUIT"


class Store:
    """Keys with values and the second in which they expire."""

    def __init__(self, clock: Callable[[], float] = time.time, *, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._ends: dict[str, int] = {}
        self._by_end: dict[int, dict[str, Any]] = {}
        """Values by the second in which they expire, and by key."""

        self._swept = 0
        self.evicted = 0
        """Keys that had to make room."""

    def __len__(self) -> int:
        self._sweep()
        return len(self._ends)

    def do(self, words: Sequence[str]) -> Any:
        """The answer to a command."""
        self._sweep()
        name, *rest = words
        method = getattr(self, f"_do_{name.lower()}", None)
        if method is None:
            return resp.Error(f"ERR unknown command '{name}': this stand-in for Redis knows {COMMANDS}")
        try:
            return method(*rest)
        except TypeError:
            return resp.Error(f"ERR wrong number of arguments for '{name.lower()}' command")
        except ValueError:
            return resp.Error("ERR value is not an integer or out of range")

    def _do_ping(self, text: str = "PONG") -> str:
        return text

    def _do_echo(self, text: str) -> str:
        return text

    def _do_incr(self, key: str) -> int:
        return self._do_incrby(key, "1")

    def _do_incrby(self, key: str, hits: str) -> int:
        count = int(self._value(key) or 0) + int(hits)
        self._put(key, count)
        return count

    def _do_get(self, key: str) -> str | None:
        value = self._value(key)
        return None if value is None else str(value)

    def _do_set(self, key: str, value: str, *options: str) -> Any:
        self._remove(key)
        self._put(key, value)
        if options and options[0].upper() == "EX":
            self._expire(key, int(options[1]))
        elif options:
            return resp.Error("ERR syntax error")
        return "OK"

    def _do_expire(self, key: str, seconds: str) -> int:
        if key not in self._ends:
            return 0
        self._expire(key, int(seconds))
        return 1

    def _do_ttl(self, key: str) -> int:
        if key not in self._ends:
            return -2
        end = self._ends[key]
        return -1 if end == NEVER else max(0, end - int(self._clock()))

    def _do_del(self, *keys: str) -> int:
        return sum(self._remove(key) for key in keys)

    def _do_exists(self, *keys: str) -> int:
        return sum(key in self._ends for key in keys)

    def _do_dbsize(self) -> int:
        return len(self._ends)

    def _do_flushall(self, *_: str) -> str:
        self._ends.clear()
        self._by_end.clear()
        return "OK"

    def _do_select(self, _: str) -> str:
        return "OK"

    def _do_info(self, *_: str) -> str:
        lines = ("# Server", "redis_mode:labkit-stand-in", "# Stats", f"evicted_keys:{self.evicted}", "# Keyspace")
        return "".join(f"{line}\r\n" for line in (*lines, f"keys:{len(self._ends)}"))

    def _do_quit(self) -> str:
        return "OK"

    def _value(self, key: str) -> Any:
        end = self._ends.get(key)
        return None if end is None else self._by_end[end][key]

    def _put(self, key: str, value: Any) -> None:
        if key not in self._ends:
            if len(self._ends) >= self._most:
                self._make_room()
            self._ends[key] = NEVER
        self._by_end.setdefault(self._ends[key], {})[key] = value

    def _expire(self, key: str, seconds: int) -> None:
        end = int(self._clock()) + seconds
        if end != self._ends[key]:
            value = self._value(key)
            self._remove(key)
            self._ends[key] = end
            self._by_end.setdefault(end, {})[key] = value

    def _remove(self, key: str) -> bool:
        end = self._ends.pop(key, None)
        if end is None:
            return False
        values = self._by_end[end]
        del values[key]
        if not values:
            del self._by_end[end]
        return True

    def _make_room(self) -> None:
        self._remove(next(iter(self._by_end[min(self._by_end)])))
        self.evicted += 1

    def _sweep(self) -> None:
        now = int(self._clock())
        if now == self._swept:
            return
        self._swept = now
        for end in [end for end in self._by_end if end <= now]:
            for key in self._by_end.pop(end):
                del self._ends[key]


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, store: Store) -> None:
        self._store, self._parser = store, resp.Parser()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        answers = []
        try:
            for words in self._parser.feed(data):
                if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
                    answers.append(resp.encoded(self._store.do(words)))
                elif words:
                    raise resp.ProtocolError("a command is an array of texts")
        except resp.ProtocolError as e:
            self._transport.write(b"".join(answers) + resp.encoded(resp.Error(f"ERR Protocol error: {e}")))
            self._transport.close()
            return
        self._transport.write(b"".join(answers))


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return asyncio.run(_serve(env))


async def _serve(env: Mapping[str, str]) -> int:
    loop, ended, store = asyncio.get_running_loop(), asyncio.Event(), Store()
    async with contextlib.AsyncExitStack() as stack:
        try:
            _, shown = await handover.serve(stack, lambda: Connection(store), PORT, env)
        except OSError as e:
            print(f"cannot listen on port {PORT}: {e.strerror}", file=sys.stderr, flush=True)
            return 1
        print(f"this is labkit's stand-in for Redis, in memory, for at most {MOST} keys", flush=True)
        print(f"it knows {COMMANDS}", flush=True)
        print(f"listening on {shown}", flush=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        told = asyncio.create_task(_tell(store))
        await ended.wait()
        told.cancel()
    return 0


async def _tell(store: Store) -> None:
    """Say when keys had to make room."""
    before = 0
    while True:
        await asyncio.sleep(10)
        if store.evicted > before:
            print(f"full at {MOST} keys: {store.evicted - before} that would expire first made room", flush=True)
            before = store.evicted
