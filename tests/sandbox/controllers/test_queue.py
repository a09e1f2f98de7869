"""Keys are worked on one at a time, again when asked for meanwhile, and after a failure."""

import asyncio

from labkit.kube import status
from labkit.sandbox.controllers.queue import Queue


def worked(work, *, until):
    """Run a queue until ``until(done)``; the keys in the order in which they were done."""

    async def main():
        done, enough = [], asyncio.Event()

        async def one(key):
            try:
                await work(queue, done, key)
            finally:
                if until(done):
                    enough.set()

        queue = Queue(one, name="test")
        queue.add(("", "a"))
        queue.add(("", "a"))
        running = asyncio.create_task(queue.run())
        async with asyncio.timeout(60):
            await enough.wait()
        running.cancel()
        return [name for _, name in done]

    return asyncio.run(main())


async def note(queue, done, key):
    done.append(key)
    if key == ("", "a"):
        queue.add(("", "b"))


async def note_forever(queue, done, key):
    done.append(key)
    queue.add(key)


async def fail_once(queue, done, key):
    done.append(key)
    if len(done) == 1:
        raise status.error_of({"code": 409, "reason": "Conflict", "message": "again"})


def test_a_key_asked_for_twice_is_worked_on_once():
    assert worked(note, until=lambda done: len(done) == 2) == ["a", "b"]


def test_a_key_that_asks_for_itself_leaves_others_their_turn():
    assert len(worked(note_forever, until=lambda done: len(done) > 3)) > 3


def test_a_refused_key_is_tried_again():
    assert worked(fail_once, until=lambda done: len(done) == 2) == ["a", "a"]
