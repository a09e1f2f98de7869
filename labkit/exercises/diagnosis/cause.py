"""A cause, and how directly the evidence shows it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum


class Directness(IntEnum):
    """How a cause is known; the smaller one is named first."""

    REFUSED = 0
    """A proxy or the API said no, in words."""

    SHOWN = 1
    """The configuration of the proxy that decided shows it."""

    SILENT = 2
    """An object that asks for what is missing has no part in that configuration, and its fields say why."""

    NEAR = 3
    """A name is nearly the right one."""

    OPEN = 4
    """Evidence does not decide; the sentence says what was seen."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One reason for what was observed."""

    sentence: str
    """It names the object and the field."""

    directness: Directness
    next_step: str = ""
    """A command that shows or mends it; empty where the exercise's hint is the best next step."""

    def about(self, what: str) -> "Cause":
        """The same cause, told of one caller or one request: ``jason: rule 1 of …``."""
        return replace(self, sentence=f"{what}: {self.sentence}")

    def with_more(self, words: str) -> "Cause":
        """The same cause with words behind it, after what it asks: ``…; did you mean reviews?``."""
        first, question, rest = self.sentence.partition("; did you mean")
        return replace(self, sentence=f"{first}{words}{question}{rest}")


def ranked(causes: Iterable[Cause | None]) -> list[Cause]:
    """The causes, the most directly shown first; of equal ones the earlier."""
    return sorted((cause for cause in causes if cause is not None), key=lambda cause: cause.directness)


def shown(sentence: str, next_step: str = "") -> Cause:
    """A cause that the deciding proxy's configuration shows."""
    return Cause(sentence=sentence, directness=Directness.SHOWN, next_step=next_step)


def silent(sentence: str, next_step: str = "") -> Cause:
    """A cause in an object that has no part in the configuration."""
    return Cause(sentence=sentence, directness=Directness.SILENT, next_step=next_step)


def near(sentence: str, next_step: str = "") -> Cause:
    """A cause in a name that is nearly right."""
    return Cause(sentence=sentence, directness=Directness.NEAR, next_step=next_step)


def undecided(sentence: str, next_step: str = "") -> Cause:
    """What was seen, where it does not decide."""
    return Cause(sentence=sentence, directness=Directness.OPEN, next_step=next_step)
