"""What a check finds, and the sentence that Istio makes of several findings."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Cause(NamedTuple):
    """A broken rule of a definition, as in ``details.causes``."""

    message: str
    """``Invalid value: "0s": must be a valid duration greater than 1ms``."""

    field: str
    """``spec.http[0].timeout``."""

    reason: str = "FieldValueInvalid"


class Finding(NamedTuple):
    """One thing that the webhook says."""

    text: str
    is_error: bool = True
    is_listed: bool = False
    """Whether Istio puts even a single one into a list of errors."""


def error(text: str) -> Finding:
    """A reason to refuse."""
    return Finding(text)


def listed(text: str) -> Finding:
    """A reason to refuse that stands in a list even when it is alone."""
    return Finding(text, is_listed=True)


def warning(text: str) -> Finding:
    """Something allowed but unwise."""
    return Finding(text, is_error=False)


def errors(texts: Iterable[str]) -> Iterator[Finding]:
    """Each text as an error."""
    return map(Finding, texts)


def sentence(found: Iterable[Finding]) -> str:
    """All errors in Istio's form; empty when there are none."""
    wrong = [f for f in found if f.is_error]
    if not wrong:
        return ""
    if len(wrong) == 1 and not wrong[0].is_listed:
        return wrong[0].text
    head = "1 error occurred:" if len(wrong) == 1 else f"{len(wrong)} errors occurred:"
    return f"{head}\n" + "".join(f"\t* {f.text}\n" for f in wrong) + "\n"


def warnings(found: Iterable[Finding]) -> tuple[str, ...]:
    """The texts of all warnings."""
    return tuple(f.text for f in found if not f.is_error)


def each(value: Any) -> list[Any]:
    """The items of a list that may be absent; null items are as good as empty ones."""
    return [item or {} for item in value or []]
