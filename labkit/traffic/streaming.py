"""Traffic that runs beside a notebook: one thread with an event loop, batches of results to a callback."""

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable, Sequence

from labkit.sandbox.apps import calls, channel
from labkit.traffic import login, results
from labkit.traffic.load import MOST_RATE, Load
from labkit.traffic.results import Sent

EVERY = 0.25
"""Seconds between batches: four pictures a second look alive and cost little."""

STOP_WITHIN = 5.0
"""Seconds that ``stop`` waits for the thread; it only has to cancel."""

OnBatch = Callable[[Sequence[Sent]], None]


class Stream:
    """A load being sent. It stops by itself at its end, when the callback raises, and when Python exits."""

    def __init__(self, load: Load, on_batch: OnBatch, *, every: float = EVERY) -> None:
        self.load = load
        self.error: BaseException | None = None
        """What ended it early, if anything did."""
        self._on_batch, self._every = on_batch, every
        self._waiting: list[Sent] = []
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        state = "running" if self.is_running else f"stopped by {self.error!r}" if self.error else "stopped"
        return f"Stream({self.load.target}, {state}, {self._count} sent)"

    @property
    def is_running(self) -> bool:
        """Whether its thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> "Stream":
        """Begin to send, once; returns itself."""
        if self._thread is None:
            # A daemon, so that a kernel that is told to exit never waits for it; atexit stops it in order.
            self._thread = threading.Thread(target=self._run, name="labkit-traffic", daemon=True)
            atexit.register(self.stop)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End it and wait for the thread; what came back since the last batch is still handed over."""
        with self._lock:
            self._is_stopped = True
            if self._loop and self._task:
                with contextlib.suppress(RuntimeError):  # its loop closed at this very moment
                    self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(STOP_WITHIN)
        atexit.unregister(self.stop)

    def join(self) -> None:
        """Wait for its end; an interrupt (a notebook's stop button) stops it. Raises what ended it early."""
        try:
            while self._thread and self._thread.is_alive():
                self._thread.join(0.2)
        finally:
            self.stop()
        if self.error:
            raise self.error

    def __enter__(self) -> "Stream":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except Exception as e:
            self.error = _first(e)
        with self._lock:
            self._loop = self._task = None
        try:
            self._hand_over()
        except Exception as e:
            self.error = self.error or e

    async def _main(self) -> None:
        with self._lock:
            if self._is_stopped:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        call = await _call(self.load)
        async with asyncio.TaskGroup() as group:
            batches = group.create_task(self._batches())
            await calls.run(call, plan_of(self.load), self._keep)
            batches.cancel()

    def _keep(self, outcome: calls.Outcome) -> None:
        self._waiting.append(results.sent(outcome))
        self._count += 1

    async def _batches(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self._hand_over()

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            self._on_batch(batch)


def plan_of(load: Load) -> calls.Plan:
    """The load as workers run it; the rate is capped."""
    return calls.Plan(
        workers=load.workers,
        count=load.count,
        rate=min(load.rate or MOST_RATE, MOST_RATE),
        duration=load.duration,
        limit=load.limit,
    )


def _first(error: BaseException) -> BaseException:
    """The error inside the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _call(load: Load) -> channel.Call:
    fields = list(load.headers.items())
    if "user-agent" not in {name.lower() for name in load.headers}:
        fields.append(("User-Agent", "labkit"))
    if load.user:
        fields.append(("Cookie", await login.cookie(load.url, user=load.user)))
    return channel.call("GET", load.target, fields=fields)
