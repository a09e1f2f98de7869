"""Lesson 06: the reason that is named for what visitors saw."""

import pytest

from labkit.exercises import lesson06

JASON = {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [{"destination": {"subset": "v2"}}]}
FOX = {"match": [{"headers": {"user-agent": {"regex": "Firefox"}}}], "route": [{"destination": {"subset": "v3"}}]}
BOTH = {"match": [{"headers": {"a": {"exact": "1"}}, "method": {"exact": "GET"}}], "route": [{"destination": {}}]}
EITHER = {"match": [{"uri": {"prefix": "/a"}}, {"headers": {"b": {}}}], "route": []}
REST = {"route": [{"destination": {"subset": "v1"}}]}


@pytest.mark.parametrize(
    ("rules", "observed", "said"),
    [
        pytest.param([REST, JASON], "", "rule 1 has no match", id="the general one first"),
        pytest.param([JASON], "mary: status 404", "fit no rule", id="no general one"),
        pytest.param([JASON, REST], "jason: status 503", "no DestinationRule makes", id="no such subset"),
        pytest.param([JASON, REST], "jason: v1", "end-user exact jason → v2; the rest → v1", id="conditions"),
        pytest.param([FOX, REST], "fox: v1", "has to fit the whole value", id="a regex"),
        pytest.param([BOTH], "", "a exact 1 AND method exact GET → any", id="and"),
        pytest.param([EITHER], "", "uri prefix /a OR b", id="or"),
    ],
)
def test_the_likely_reason(rules, observed, said):
    assert said in lesson06.cause(rules, observed)
