"""The text that a target exposes (format 0.0.4), as samples. Pure."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPED = re.compile(r"\\[\\\"n]")


class FormatError(Exception):
    """A text that is not of this format; the scrape counts as failed."""


class Line(NamedTuple):
    """A sample: the text of its series, its value, and its time in milliseconds where it says one."""

    series: str
    value: float
    time: int | None


class About(NamedTuple):
    """``# TYPE`` or ``# HELP`` of a metric."""

    name: str
    kind: str
    """``type`` or ``help``."""
    text: str


def lines(text: str) -> Iterator[Line | About]:
    """All lines that say something; FormatError."""
    for line in map(str.strip, text.split("\n")):
        if not line:
            continue
        if line[0] == "#":
            words = line.split(None, 3)
            if len(words) >= 3 and words[1] in ("TYPE", "HELP"):
                yield About(words[2], words[1].lower(), words[3] if len(words) > 3 else "")
            continue
        yield _sample(line)


def _sample(line: str) -> Line:
    end = line.rfind("}") + 1 or line.find(" ")
    values = line[end:].split()
    try:
        return Line(line[:end], number(values[0]), int(values[1]) if len(values) > 1 else None)
    except (IndexError, ValueError) as e:
        raise FormatError(f"expected a value after metric, got {line[max(0, end) :][:40]!r}: {line[:120]!r}") from e


def number(text: str) -> float:
    """A value as Go reads it; ValueError."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def series(text: str) -> dict[str, str]:
    """The labels of a series' text, its name among them; FormatError."""
    name = _NAME.match(text)
    if name is None:
        raise FormatError(f"not a metric's name: {text[:80]!r}")
    labels = {"__name__": name[0]}
    rest = text[name.end() :].strip()
    if not rest:
        return labels
    at, end = 1, len(rest) - 1
    while at < end and rest[at:end].strip():
        match = _LABEL.match(rest, at, end)
        if match is None:
            raise FormatError(f"not a label: {rest[at : at + 60]!r} in {text[:80]!r}")
        labels[match[1]] = _ESCAPED.sub(lambda m: _ESCAPES[m[0]], match[2])
        at = match.end()
    return labels


def bound(text: str) -> str:
    """A bucket's ``le`` or a ``quantile`` as Prometheus 3 keeps it: ``1`` becomes ``1.0``, ``3600000`` ``3.6e+06``."""
    try:
        value = number(text)
    except ValueError:
        return text
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = exponent + len(digits) - 1
    if -4 <= power < 6 or value == 0:
        plain = format(Decimal(repr(value)).normalize(), "f")
        return plain if "." in plain else f"{plain}.0"
    first, *others = map(str, digits)
    return f"{'-' * sign}{first}{'.' * bool(others)}{''.join(others)}e{power:+03d}"
