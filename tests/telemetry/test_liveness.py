"""Is it live everywhere? Asked of an istiod that we play."""

import json
from dataclasses import dataclass

from labkit.telemetry import liveness


@dataclass(frozen=True)
class Version:
    kind: str = "VirtualService"
    namespace: str = "default"
    name: str = "reviews"
    version: str = "7"
    is_gone: bool = False


def report(**changes):
    plain = {"included": True, "proxies": 7, "live": 7, "waiting": [], "refusing": [], "milliseconds": 34.2}
    return json.dumps(plain | changes)


def test_live_everywhere_says_how_long_it_took():
    found = liveness.of_sandbox(lambda path: report(), [Version()])
    assert found.is_everywhere
    assert str(found) == "live on 7 of 7 proxies after 34 ms"


def test_the_version_or_the_deletion_is_asked_for():
    asked = []
    liveness.of_sandbox(lambda path: asked.append(path) or report(), [Version(), Version(is_gone=True)])
    assert "object=VirtualService/default/reviews&resourceVersion=7&wait=" in asked[0]
    assert "&gone=true&" in asked[1]


def test_a_refusal_names_the_proxy_and_what_it_keeps():
    found = liveness.of_sandbox(lambda path: report(live=6, refusing=["a.default"], milliseconds=None), [Version()])
    assert str(found) == "live on 6 of 7 proxies; a.default refused it and keep the last good configuration"


def test_several_objects_are_as_live_as_the_slowest():
    answers = iter([report(), report(live=5, waiting=["a.default", "b.default"], milliseconds=None)])
    found = liveness.of_sandbox(lambda path: next(answers), [Version(), Version(name="other")])
    assert (found.live, found.waiting) == (5, ("a.default", "b.default"))


def test_a_real_istiod_is_asked_until_all_it_sent_is_acknowledged():
    pages = iter(
        json.dumps([{"proxy": "a.default", "route_sent": "2", "route_acked": acked}]) for acked in ("1", "1", "2")
    )
    slept = []
    found = liveness.of_istiod(lambda path: next(pages), sleep=slept.append)
    assert found.is_everywhere
    assert slept[0] == liveness.DEBOUNCE
    assert len(slept) == 3
