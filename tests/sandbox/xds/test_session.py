"""The bookkeeping of one proxy's stream."""

import pytest

from labkit.sandbox.xds import session
from labkit.sandbox.xds.session import Subscription


def test_versions_come_from_contents() -> None:
    assert session.version_of(b"a") == session.version_of(b"a") != session.version_of(b"b")


def test_a_subscription_by_name_gets_those_names() -> None:
    subscription = Subscription(names={"a"})
    assert session.wanted({"a": b"1", "b": b"2"}, subscription) == {"a": b"1"}


def test_nothing_new_is_no_update() -> None:
    subscription = Subscription(wildcard=True, sent={"a": session.version_of(b"1")})
    assert session.update("clusters", {"a": b"1"}, subscription) is None


def test_a_name_that_is_not_there_is_answered_as_gone() -> None:
    update = session.update("endpoints", {}, Subscription(names={"a"}), asked={"a"})
    assert update is not None
    assert update.removed == ("a",)


def test_an_old_answer_leaves_the_newer_question_open() -> None:
    subscription = Subscription(wildcard=True)
    for nonce in ("1", "2"):
        session.record(subscription, _update(a=nonce.encode()), nonce=nonce, push=1)
    session.answered(subscription, "1")
    assert subscription.nonce == "2"


def test_a_resource_that_goes_takes_its_refusal_along() -> None:
    subscription = Subscription(wildcard=True)
    session.record(subscription, _update(a=b"1"), nonce="1", push=1)
    session.answered(subscription, "1", "bad")
    session.record(subscription, session.Update(kind="clusters", changed={}, removed=("a",)), nonce="2", push=2)
    assert not subscription.refused


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Error adding/updating listener(s) 0.0.0.0_80: bad", ("0.0.0.0_80",)),
        ("outbound|80|v1|a.b: bad", ("outbound|80|v1|a.b",)),
        (
            "Proto constraint validation failed",
            ("0.0.0.0_80", "0.0.0.0_8080", "outbound|80|v1|a.b", "outbound|80|v1|a.b.c"),
        ),
    ],
)
def test_a_refusal_is_of_the_resources_it_names_or_of_all(text: str, found: tuple[str, ...]) -> None:
    sent = ("0.0.0.0_80", "0.0.0.0_8080", "outbound|80|v1|a.b", "outbound|80|v1|a.b.c")
    assert session.named(text, sent) == found


def _update(**changed: bytes) -> session.Update:
    return session.Update(kind="clusters", changed=changed, removed=())
