"""The bookkeeping of one proxy's stream."""

from labkit.sandbox.istiod import session
from labkit.sandbox.istiod.session import Subscription


def test_versions_come_from_contents() -> None:
    assert session.version_of(b"a") == session.version_of(b"a") != session.version_of(b"b")


def test_a_subscription_by_name_gets_those_names() -> None:
    subscription = Subscription(names={"a"})
    assert session.subscribed({"a": b"1", "b": b"2"}, subscription) == {"a": b"1"}


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


def test_what_was_refused_together_is_sent_again_in_halves() -> None:
    subscription = Subscription(wildcard=True)
    session.record(subscription, _update(a=b"1", b=b"2", c=b"3"), nonce="1", push=1)
    refused, again = session.answered(subscription, "1", "bad")
    assert (refused, subscription.refusals) == ((), {})
    assert [tuple(part.changed) for part in again] == [("a",), ("b", "c")]


def test_what_went_with_it_is_taken_away_first() -> None:
    subscription = Subscription(wildcard=True, sent={"gone": "1"})
    sent = session.Update(kind="listeners", changed={"a": b"1"}, removed=("gone",))
    session.record(subscription, sent, nonce="1", push=1)
    _, again = session.answered(subscription, "1", "bad")
    assert [(tuple(part.changed), part.removed) for part in again] == [((), ("gone",)), (("a",), ())]


def test_what_was_overtaken_is_not_sent_again() -> None:
    subscription = Subscription(wildcard=True)
    session.record(subscription, _update(a=b"1", b=b"2"), nonce="1", push=1)
    session.record(subscription, _update(a=b"newer"), nonce="2", push=2)
    _, again = session.answered(subscription, "1", "bad")
    assert [part.changed for part in again] == [{"b": b"2"}]


def test_one_resource_alone_is_what_was_refused() -> None:
    subscription = Subscription(wildcard=True)
    session.record(subscription, _update(a=b"1"), nonce="1", push=1)
    assert session.answered(subscription, "1", "bad") == (("a",), ())
    assert subscription.refusals == {"a": "bad"}


def _update(**changed: bytes) -> session.Update:
    return session.Update(kind="clusters", changed=changed, removed=())


def test_a_refusal_of_what_was_overtaken_meanwhile_is_none() -> None:
    subscription = session.Subscription(wildcard=True)
    for nonce, data in (("1", b"old"), ("2", b"new")):
        session.record(
            subscription, session.Update(kind="clusters", changed={"a": data}, removed=()), nonce=nonce, push=1
        )
    assert session.answered(subscription, "1", "no such thing") == ((), ())
    assert session.answered(subscription, "2", "no such thing") == (("a",), ())
