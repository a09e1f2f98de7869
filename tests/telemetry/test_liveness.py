"""Is it live everywhere? Asked of an istiod that we play."""

import json
from dataclasses import dataclass

import pytest

from labkit.mesh import refusals
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
    states = liveness.of_sandbox(lambda path: report(), [Version()])
    assert states.is_everywhere
    assert str(states) == "live on 7 of 7 proxies after 34 ms"


def test_the_version_or_the_deletion_is_asked_for():
    asked = []
    liveness.of_sandbox(lambda path: asked.append(path) or report(), [Version(), Version(is_gone=True)])
    assert "object=VirtualService/default/reviews&resourceVersion=7&wait=" in asked[0]
    assert "&gone=true&" in asked[1]


RESOURCE = 'goo.gle/debugonly   \nname: "http_proxy"\nvirtual_hosts {\n  name: "ratings"\n'
CONSTRAINT = (
    "Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[2]: embedded message failed "
    "validation | caused by DirectResponseActionValidationError.Status: value must be inside range [200, 600))"
)
STATUS = "DirectResponseAction.Status: value must be inside range [200, 600)"
LISTENERS = "Error adding/updating listener(s) http_proxy: no such function\n127.0.0.2_9080: no such function\n"


def refused(*texts, by=("a.default",), objects=("Telemetry/default/logs",)):
    why = [{"text": text, "objects": list(objects)} for text in texts]
    return report(live=7 - len(by), refusing=list(by), milliseconds=None, why=why)


def test_a_refusal_names_the_proxy_the_reason_and_the_object():
    states = liveness.of_sandbox(lambda path: refused(LISTENERS), [Version()])
    assert str(states) == (
        "refused by a.default, which keeps the last good configuration: no such function, "
        "put down to Telemetry default/logs"
    )


def test_several_proxies_are_counted_and_a_reason_is_told_once():
    other = LISTENERS.replace("0.2_", "0.3_")
    states = liveness.of_sandbox(lambda path: refused(LISTENERS, other, by=("a.default", "b.default")), [Version()])
    assert (
        str(states).startswith("refused by 2 of 7 proxies, which keep") and str(states).count("no such function") == 1
    )


def test_what_an_answer_leaves_out_is_in_the_proxys_log():
    read = []
    log = f"starting Envoy\n{RESOURCE}}}\n: {CONSTRAINT}\n"
    states = liveness.of_sandbox(
        lambda path: refused(f"{RESOURCE}...(truncated)", RESOURCE), [Version()], read=lambda p: read.append(p) or log
    )
    assert read == ["a.default"] and [refusal.sentence for refusal in states.why] == [STATUS]


def test_a_log_without_it_is_where_to_look():
    states = liveness.of_sandbox(lambda path: refused(RESOURCE, objects=()), [Version()])
    assert str(states).endswith(": the log of its istio-proxy says why")


def test_refusals_of_before_are_no_reason_where_all_have_taken_it():
    stale = report(why=[{"text": LISTENERS, "objects": []}])
    assert liveness.of_sandbox(lambda path: stale, [Version()]).why == ()


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param(CONSTRAINT, STATUS, id="a constraint"),
        pytest.param(f"{CONSTRAINT}: name: x (y)", STATUS, id="before the resource"),
        pytest.param(f"{CONSTRAINT.replace('Status', 'Body')}\n{CONSTRAINT}\n", STATUS, id="the newest of a log"),
        pytest.param(LISTENERS, "no such function", id="a listener"),
        pytest.param("no such thing", "no such thing", id="anything else"),
        pytest.param(RESOURCE, "", id="only the resource"),
        pytest.param("", "", id="nothing"),
        pytest.param("x" * 500, "x" * 300 + "…", id="very much"),
    ],
)
def test_the_sentence_that_matters(text, result):
    assert refusals.sentence(text) == result


def test_several_objects_are_as_live_as_the_slowest():
    answers = iter([report(), report(live=5, waiting=["a.default", "b.default"], milliseconds=None)])
    states = liveness.of_sandbox(lambda path: next(answers), [Version(), Version(name="other")])
    assert (states.live, states.waiting) == (5, ("a.default", "b.default"))


def test_a_real_istiod_is_asked_until_all_it_sent_is_acknowledged():
    pages = iter(
        json.dumps([{"proxy": "a.default", "route_sent": "2", "route_acked": acked}]) for acked in ("1", "1", "2")
    )
    slept = []
    states = liveness.of_istiod(lambda path: next(pages), sleep=slept.append)
    assert states.is_everywhere
    assert slept[0] == liveness.DEBOUNCE
    assert len(slept) == 3
