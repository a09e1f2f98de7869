"""The stand-in for Redis, and its protocol."""

from typing import Any

import pytest

from labkit.sandbox.apps import redis, resp


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        pytest.param(["PING"], "PONG", id="ping"),
        pytest.param(["INCRBY a 3", "INCR a"], 4, id="counts"),
        pytest.param(["SET a x", "GET a"], "x", id="texts"),
        pytest.param(["GET a"], None, id="nothing there"),
        pytest.param(["SET a 1 EX 10", "TTL a"], 10, id="expires"),
        pytest.param(["INCR a", "TTL a"], -1, id="never expires"),
        pytest.param(["TTL a"], -2, id="no key to expire"),
        pytest.param(["INCR a", "DEL a b"], 1, id="deletes"),
        pytest.param(["INCR a", "FLUSHALL", "DBSIZE"], 0, id="forgets all"),
    ],
)
def test_a_command_is_answered_as_redis_answers_it(commands: list[str], answer: Any) -> None:
    store = redis.Store(Clock())
    assert [store.do(command.split()) for command in commands][-1] == answer


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        pytest.param("HSET a b c", "unknown command 'HSET': this stand-in for Redis knows PING", id="unknown"),
        pytest.param("INCRBY a", "wrong number of arguments for 'incrby' command", id="too few"),
        pytest.param("INCRBY a x", "value is not an integer", id="no number"),
    ],
)
def test_what_it_does_not_do_is_an_error(command: str, problem: str) -> None:
    answer = redis.Store(Clock()).do(command.split())
    assert isinstance(answer, resp.Error)
    assert problem in answer


def test_a_key_goes_when_its_time_is_over() -> None:
    clock = Clock()
    store = redis.Store(clock)
    store.do(["INCR", "a"])
    store.do(["EXPIRE", "a", "60"])
    clock.now += 60
    assert store.do(["INCR", "a"]) == 1


def test_memory_is_bounded_and_what_expires_first_makes_room() -> None:
    store = redis.Store(Clock(), most=1000)
    for number in range(20_000):
        store.do(["INCR", f"k{number}"])
        store.do(["EXPIRE", f"k{number}", str(3600 if number == 0 else 60)])
    assert len(store) == 1000
    assert store.evicted == 19_000
    assert store.do(["GET", "k0"]) == "1"


def test_values_come_whole_however_their_bytes_are_cut() -> None:
    data = resp.command("INCRBY", "käse", "1") + resp.encoded([1, None, "x", resp.Error("no")])
    parser = resp.Parser()
    values = [value for at in range(len(data)) for value in parser.feed(data[at : at + 1])]
    assert values == [["INCRBY", "käse", "1"], [1, None, "x", "no"]]


def test_a_value_without_end_is_refused() -> None:
    parser = resp.Parser()
    with pytest.raises(resp.ProtocolError):
        list(parser.feed(b"$" + b"9" * (resp.LONGEST + 2)))
