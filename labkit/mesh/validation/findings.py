"""What a check reports, and the sentence that Istio makes of several reports."""

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


def errors(*texts: str) -> Iterator[Finding]:
    """Each text that is not empty as an error."""
    return map(Finding, filter(None, texts))


def sentence(findings: Iterable[Finding]) -> str:
    """All errors in Istio's form; empty when there are none."""
    refusals = [f for f in findings if f.is_error]
    if not refusals:
        return ""
    if len(refusals) == 1 and not refusals[0].is_listed:
        return refusals[0].text
    head = "1 error occurred:" if len(refusals) == 1 else f"{len(refusals)} errors occurred:"
    return f"{head}\n" + "".join(f"\t* {f.text}\n" for f in refusals) + "\n"


def warnings(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The texts of all warnings; the API server gives each text once."""
    return tuple(dict.fromkeys(f.text for f in findings if not f.is_error))


def each(value: Any) -> list[Any]:
    """The items of a list that may be absent; null items are as good as empty ones."""
    return [item or {} for item in value or []]
