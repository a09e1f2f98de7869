"""Whether somebody looks."""

import pytest

from labkit.views import presence


def test_the_last_page_that_leaves_is_noticed():
    pages = presence.Presence()
    heard = [pages.hears(m) for m in ({"alive": "a"}, {"alive": "b"}, {"gone": "a"}, {"gone": "b"})]
    assert heard == ["alive", "alive", "", "gone"]


def test_without_a_sign_of_life_it_is_lost_and_looking_is_one():
    pages = presence.Presence()
    pages.seen -= presence.UNSEEN + 1
    assert pages.is_lost
    pages.looked()
    assert not pages.is_lost


@pytest.mark.parametrize("content", [None, "alive", [], {}, {"other": 1}])
def test_other_messages_say_nothing(content):
    assert presence.Presence().hears(content) == ""
