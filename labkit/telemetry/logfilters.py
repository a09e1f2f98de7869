"""Which lines of access logs somebody wants to see. Pure."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.base import errors
from labkit.telemetry import accesslogs

FAILURE = 500


@dataclass(frozen=True, kw_only=True)
class LineFilter:
    """What a line has to match; an empty field matches every line."""

    proxy: str = ""
    """How the pod's name begins: ``reviews``, ``reviews-v2``."""

    path: str = ""
    """A part of the path."""

    status: int | None = None
    flags: str = ""
    """One response flag, ``UF``; a line may have others beside it."""

    failed: bool = False
    """Only lines with a flag, a status of 500 and above, or no answer."""

    def fits(self, step: accesslogs.Step) -> bool:
        """Whether a line matches."""
        line = step.line
        return (
            step.proxy.startswith(self.proxy)
            and self.path in line.path
            and self.status in (None, line.status)
            and (not self.flags or self.flags in line.flags.split(","))
            and (not self.failed or bool(line.flags) or line.status >= FAILURE or not line.status)
        )

    def __str__(self) -> str:
        words = [
            f"proxy {self.proxy}…" if self.proxy else "",
            f"path …{self.path}…" if self.path else "",
            f"status {self.status}" if self.status is not None else "",
            f"flag {self.flags}" if self.flags else "",
            "only failures" if self.failed else "",
        ]
        return ", ".join(word for word in words if word)


def of_words(words: Mapping[str, Any]) -> LineFilter:
    """``{"status": 503, "failed": True}`` as a filter; SetupError for a word that is none."""
    names = [field.name for field in dataclasses.fields(LineFilter)]
    if unknown := [word for word in words if word not in names]:
        raise errors.SetupError(
            f"lab.logs() has no {', '.join(unknown)}; lines are chosen by {', '.join(names)}.",
            next_step='lab.logs(proxy="reviews", failed=True)',
        )
    return LineFilter(**words)
