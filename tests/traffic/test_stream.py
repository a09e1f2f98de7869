"""Traffic beside a notebook: it comes in batches, and it always ends."""

import asyncio
import subprocess
import sys
import threading

import pytest

from labkit import traffic
from labkit.sandbox.apps import exchange

WAIT = 5.0


class Batches:
    """Remembers batches and lets a test wait for the first ones."""

    def __init__(self, *, enough: int = 1) -> None:
        self.records: list[traffic.Sent] = []
        self.threads: set[str] = set()
        self.arrived = threading.Event()
        self.enough = enough

    def __call__(self, batch) -> None:
        self.records += batch
        self.threads.add(threading.current_thread().name)
        if len(self.records) >= self.enough:
            self.arrived.set()


def load(url, **more):
    return traffic.Load(url=url, rate=200.0, **more)


@pytest.fixture
def url(serve):
    return serve(lambda r: exchange.text("ok"))


def test_batches_come_while_it_runs_and_stop_ends_it(url):
    batches = Batches()
    stream = traffic.stream(load(url), batches)
    assert batches.arrived.wait(WAIT) and stream.is_running
    stream.stop()
    seen = len(batches.records)
    assert not stream.is_running and batches.threads == {"labkit-traffic"}
    assert repr(stream) == f"Stream({url}/, stopped, {seen} sent)"


def test_it_ends_by_itself_at_its_count_and_hands_over_everything(url):
    batches = Batches()
    traffic.stream(load(url, count=25), batches).join()
    assert len(batches.records) == 25


def test_stopping_twice_or_before_the_start_is_no_error(url):
    stream = traffic.Stream(load(url), Batches())
    stream.stop()
    stream.start()
    stream.join()
    stream.stop()
    assert not stream.is_running


def test_a_callback_that_raises_ends_it(url):
    def fail(batch):
        raise ValueError("the chart is gone")

    stream = traffic.stream(load(url), fail)
    with pytest.raises(ValueError, match="the chart is gone"):
        stream.join()
    assert repr(stream).startswith(f"Stream({url}/, stopped by ValueError('the chart is gone')")


def test_a_login_that_fails_is_raised_by_join(serve):
    url = serve(lambda r: exchange.text("no", status=404))
    with pytest.raises(traffic.streaming.login.LoginError):
        traffic.stream(load(url, user="jason"), Batches()).join()


def test_stopping_does_not_wait_for_slow_answers(serve):
    async def slow(request):
        await asyncio.sleep(60)
        return exchange.text("late")

    stream = traffic.stream(load(serve(slow)), Batches())
    stream.stop()
    assert not stream.is_running


def test_it_goes_on_when_nobody_answers():
    batches = Batches(enough=3)
    with traffic.stream(load("http://127.0.0.1:1"), batches):
        assert batches.arrived.wait(WAIT)
    assert {record.status for record in batches.records} == {0}


def test_a_callback_may_stop_its_own_stream(url):
    def stop_it(batch):
        stream.stop()

    stream = traffic.Stream(load(url), stop_it)
    stream.start()
    stream.join()
    assert not stream.is_running


def test_python_exits_at_once_while_a_stream_runs(url):
    code = (
        "from labkit import traffic\n"
        "import threading; first = threading.Event()\n"
        f"traffic.stream(traffic.Load(url={url!r}, rate=50.0), lambda batch: first.set())\n"
        f"print(first.wait({WAIT}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (ran.stdout, ran.stderr) == ("True\n", "")
