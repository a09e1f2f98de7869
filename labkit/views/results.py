"""What the steps of a lesson end in: plain texts that say what happened, and the command beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.telemetry import liveness
from labkit.views import markup, showing


@dataclass(frozen=True, kw_only=True)
class Printed(showing.Shown):
    """What a command printed, shown as it would stand in a terminal."""

    command: str
    text: str
    code: int = 0
    """Its exit code; 0 is success."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<div style="{markup.QUIET}"><code>$ {markup.text(self.command)}</code></div>{markup.pre(self.text)}'

    @property
    def lines(self) -> list[str]:
        """The text's lines."""
        return self.text.splitlines()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one object of an ``apply`` or ``delete`` went through."""

    what: str
    """``virtualservice.networking.istio.io/reviews``, as kubectl names it."""

    action: str
    """``created``, ``configured``, ``unchanged`` or ``deleted``."""


@dataclass(frozen=True, kw_only=True)
class Changes(showing.Shown):
    """What an ``apply`` did, a line an object."""

    changes: Sequence[Change]
    warnings: Sequence[str] = ()
    """What the API server warned about, in its own words."""

    live: liveness.State | None = None
    """Where it is live by now, as text ``live on 7 of 7 proxies after 34 ms``; None where nobody can be asked."""

    command: str = ""

    def __repr__(self) -> str:
        lines = [f"Warning: {warning}" for warning in self.warnings]
        lines += [f"{change.what} {change.action}" for change in self.changes]
        # Whoever reads only the text must not take a refusal for a change.
        lines += [str(self.live)] if self.live and self.live.is_refused else []
        return "\n".join(lines) or "nothing to do"

    def _repr_html_(self) -> str:
        live = f'<div style="{markup.QUIET}">{markup.text(str(self.live))}</div>' if self.live else ""
        return f"{markup.pre(repr(self))}{live}{markup.command(self.command)}"


@dataclass(frozen=True, kw_only=True)
class Done(showing.Shown):
    """A step that is through: its state in a sentence, and what a practitioner types for it."""

    sentence: str
    command: str = ""
    details: Sequence[str] = ()

    def __repr__(self) -> str:
        beside = [f"beside it: {self.command}"] if self.command else []
        return "\n".join([self.sentence, *(f"  {detail}" for detail in self.details), *beside])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{markup.text(detail)}</li>" for detail in self.details)
        listed = f"<ul style='margin:.2em 0'>{items}</ul>" if items else ""
        return f'<div style="{markup.BOX}">✓ {markup.text(self.sentence)}{listed}{markup.command(self.command)}</div>'


@dataclass(frozen=True, kw_only=True)
class Note(showing.Shown):
    """A few words to the learner."""

    text: str
    is_code: bool = False

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        if self.is_code:
            return markup.pre(self.text)
        return f'<div style="{markup.BOX}">{markup.text(self.text)}</div>'
