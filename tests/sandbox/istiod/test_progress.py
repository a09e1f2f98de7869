"""How far an object has come."""

from typing import Any

from labkit.sandbox.istiod import progress
from labkit.sandbox.istiod.progress import Progress, Taker

KEY = ("VirtualService", "default", "reviews")


def rule(version: int) -> dict[str, Any]:
    metadata = {"name": "reviews", "namespace": "default", "resourceVersion": str(version)}
    return {"kind": "VirtualService", "metadata": metadata}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def taker(name: str = "a", push: int = 0, *, refused: bool = False) -> Taker:
    return Taker(name=name, push=push, refused=refused)


def test_an_object_nobody_has_heard_of_is_not_included() -> None:
    assert Progress().report(KEY, [taker()])["included"] is False


def test_an_object_is_live_when_every_proxy_has_its_push() -> None:
    tracker = Progress()
    tracker.note(rule(5))
    tracker.pushed(3)
    report = tracker.report(KEY, [taker("a", 3), taker("b", 2)])
    assert (report["live"], report["proxies"], report["waiting"]) == (1, 2, ["b"])


def test_a_newer_version_is_waited_for() -> None:
    tracker = Progress()
    tracker.note(rule(5))
    tracker.pushed(1)
    assert tracker.report(KEY, [taker("a", 1)], version="6")["included"] is False
    assert tracker.report(KEY, [taker("a", 1)], version="5")["included"] is True


def test_a_version_that_says_the_same_is_live_with_the_old_one() -> None:
    tracker = Progress()
    tracker.note(rule(5))
    tracker.pushed(1)
    tracker.touch(rule(6))
    assert tracker.report(KEY, [taker("a", 1)], version="6")["live"] == 1


def test_a_deletion_is_pushed_like_a_change() -> None:
    tracker = Progress()
    tracker.note(rule(5), is_gone=True)
    tracker.pushed(2)
    assert tracker.report(KEY, [taker("a", 2)])["deleted"] is True


def test_a_proxy_that_refuses_is_not_live() -> None:
    tracker = Progress()
    tracker.note(rule(5))
    tracker.pushed(1)
    report = tracker.report(KEY, [taker("a", 1, refused=True), taker("b", 1)])
    assert (report["live"], report["refusing"]) == (1, ["a"])


def test_a_refusal_of_an_earlier_push_is_waited_out() -> None:
    tracker = Progress()
    tracker.note(rule(5))
    tracker.pushed(2)
    report = tracker.report(KEY, [taker("a", 1, refused=True)])
    assert (report["waiting"], report["refusing"]) == (["a"], [])


def test_the_time_runs_until_the_last_proxy() -> None:
    clock = Clock()
    tracker = Progress(clock=clock)
    tracker.note(rule(5))
    tracker.pushed(1)
    clock.now = 0.02
    tracker.settle(0)
    assert tracker.report(KEY, [])["milliseconds"] is None
    clock.now = 0.034
    tracker.settle(1)
    assert tracker.report(KEY, [])["milliseconds"] == 34.0


def test_keys_are_kind_namespace_and_name() -> None:
    assert progress.key_of(rule(1)) == KEY
