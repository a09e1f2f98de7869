"""Matchers of a selector."""

import re
from dataclasses import dataclass
from functools import cache

from labkit.sandbox.apps.prometheus.promql import labels
from labkit.sandbox.apps.prometheus.promql.errors import UnreadableError
from labkit.sandbox.apps.prometheus.promql.labels import Labels


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition: ``op`` is ``=``, ``!=``, ``=~`` or ``!~``."""

    name: str
    op: str
    value: str

    def accepts(self, text: str) -> bool:
        """Whether a label's value passes; an absent label has the empty one."""
        if self.op in ("=", "!="):
            return (text == self.value) == (self.op == "=")
        return (regex(self.value).fullmatch(text) is not None) == (self.op == "=~")


@cache
def regex(text: str) -> re.Pattern[str]:
    """A pattern; as in RE2 with Prometheus' settings ``.`` is any character."""
    try:
        return re.compile(text, re.DOTALL)
    except re.error as e:
        raise UnreadableError(f"invalid regular expression {text!r}: {e}") from e


def accept(matchers: tuple[Matcher, ...], of: Labels) -> bool:
    """Whether every matcher accepts these labels."""
    return all(matcher.accepts(labels.value(of, matcher.name)) for matcher in matchers)
