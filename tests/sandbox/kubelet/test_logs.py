"""Logs are kept with times, bounded, and read as kubectl asks."""

import asyncio

import pytest

from labkit.sandbox.kubelet import logs


def read(log, *, live=None, **options):
    async def all_of_it():
        return b"".join([chunk async for chunk in logs.read(log.path, logs.Options(**options), live=live)])

    return asyncio.run(all_of_it())


@pytest.fixture
def log(tmp_path):
    created = logs.Log(tmp_path / "app" / "0.log")
    created.write(b"one\ntwo\nthr")
    created.write(b"ee\nfour")
    yield created
    created.close()


def test_only_whole_lines_are_stored_until_the_end(log):
    assert read(log) == b"one\ntwo\nthree\n"
    log.close()
    assert read(log) == b"one\ntwo\nthree\nfour\n"


@pytest.mark.parametrize(
    ("tail", "shown"), [(0, b""), (1, b"three\n"), (2, b"two\nthree\n"), (9, b"one\ntwo\nthree\n")]
)
def test_the_last_lines(log, tail, shown):
    assert read(log, tail=tail) == shown


def test_the_first_bytes(log):
    assert read(log, limit=5) == b"one\nt"


def test_times_are_shown_on_demand_and_select(log):
    stamp, _, text = read(log, timestamps=True).splitlines()[0].partition(b" ")
    assert text == b"one"
    assert len(stamp) == 30
    assert read(log, since="2999-01-01T00:00:00.000000000Z") == b""
    assert read(log, since="2000-01-01T00:00:00.000000000Z") == b"one\ntwo\nthree\n"


def test_a_full_file_is_turned_over_and_tail_reads_across(tmp_path):
    log = logs.Log(tmp_path / "0.log")
    lines = [b"%07d" % n for n in range(700_000)]
    for start in range(0, len(lines), 7000):
        log.write(b"\n".join(lines[start : start + 7000]) + b"\n")
    log.close()
    assert log.turns > 1
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) < 3 * logs.ROTATE_AT
    expected = 300_000
    assert read(log, tail=expected).split() == lines[-expected:]


def test_a_follower_misses_nothing_over_a_turn(tmp_path):
    lines = [b"%099d" % n for n in range(150_000)]

    async def scene():
        log = logs.Log(tmp_path / "0.log")

        async def follow():
            options = logs.Options(follow=True)
            return b"".join([chunk async for chunk in logs.read(log.path, options, live=log)])

        following = asyncio.create_task(follow())
        for start in range(0, len(lines), 500):
            log.write(b"\n".join(lines[start : start + 500]) + b"\n")
            await asyncio.sleep(0)
        log.close()
        return (await following).split(), log.turns

    seen, turns = asyncio.run(scene())
    assert turns == 1
    assert seen == lines
