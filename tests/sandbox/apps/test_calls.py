"""Many calls: counts, rates, connections, and what counts as an error."""

import asyncio

import pytest

from labkit.sandbox.apps import calls, channel, exchange, server


def outcomes_of(world, url, plan):
    result = []
    world.run(calls.run(channel.call("GET", url), plan, result.append))
    return result


def test_exactly_so_many_calls_are_made(world):
    outcomes = outcomes_of(world, world.serve(lambda r: exchange.text("ok")), calls.Plan(workers=7, count=50))
    assert [outcome.reply.status for outcome in outcomes] == [200] * 50


def test_a_worker_keeps_its_connection(world):
    peers = set()

    def handle(request):
        peers.add(request.headers["host"])
        return exchange.text(str(len(served.connections)))

    served = server.Server(handle)
    world.run(served.start("127.0.0.1", 0))
    world.servers.append(served)
    outcomes = outcomes_of(world, f"http://127.0.0.1:{served.port}/", calls.Plan(workers=3, count=30))
    assert max(int(outcome.reply.body) for outcome in outcomes) <= 3


def test_calls_keep_to_the_rate(world):
    url = world.serve(lambda r: exchange.text("ok"))
    outcomes = outcomes_of(world, url, calls.Plan(workers=4, count=11, rate=100.0))
    at = sorted(outcome.at for outcome in outcomes)
    assert at[-1] - at[0] >= 0.09


def test_no_call_is_sent_after_the_duration(world):
    url = world.serve(lambda r: exchange.text("ok"))
    outcomes = outcomes_of(world, url, calls.Plan(rate=100.0, duration=0.1))
    assert 1 <= len(outcomes) <= 10  # fewer where the machine paused


def test_nobody_listening_is_an_error_for_each_call(world):
    outcomes = outcomes_of(world, "http://127.0.0.1:1/", calls.Plan(workers=2, count=3))
    assert [(outcome.reply, bool(outcome.error)) for outcome in outcomes] == [(None, True)] * 3


def test_a_slow_answer_is_an_error_and_the_next_call_goes_on(world):
    slow = iter([True, False])

    async def handle(request):
        if next(slow):
            await asyncio.sleep(5)
        return exchange.text("ok")

    outcomes = outcomes_of(world, world.serve(handle), calls.Plan(workers=1, count=2, limit=0.1))
    assert [outcome.error for outcome in outcomes] == ["no reply within 0.1 s", ""]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", id="a body until the close"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b"", id="after a 100"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi", id="chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", None, id="a body cut off"),
        pytest.param(b"hello\r\n\r\n", None, id="not HTTP"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_replies_of_all_kinds(world, answer, reply):
    async def scenario():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        result = []
        await calls.run(channel.call("GET", url), calls.Plan(workers=1, count=1), result.append)
        listener.close()
        return result[0]

    outcome = world.run(scenario())
    assert (outcome.reply.body if outcome.reply else None) == reply


def test_a_kept_connection_closed_by_the_server_is_no_error_of_the_app(world):
    """The server closes each connection after one answer without saying so; the next GET goes out again."""

    async def scenario():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        result = []
        await calls.run(channel.call("GET", url), calls.Plan(workers=1, count=4), result.append)
        listener.close()
        return result

    assert [outcome.reply.status for outcome in world.run(scenario())] == [200] * 4


def test_a_call_names_its_host_and_asks_for_a_path():
    call = channel.call("GET", "http://reviews:9080/reviews/0?a=b")
    assert (call.host, call.port) == ("reviews", 9080)
    assert call.request.startswith(b"GET /reviews/0?a=b HTTP/1.1\r\nHost: reviews:9080\r\n")
