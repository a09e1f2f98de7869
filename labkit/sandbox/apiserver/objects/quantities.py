"""Quantities such as ``500m`` and ``1Gi``: read, compared, and written in their one canonical form."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_SHAPE = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
_NUMBER = re.compile(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
NANO = Fraction(1, 10**9)

FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC = "unable to parse numeric part of quantity"
SUFFIX = "unable to parse quantity's suffix"


class Quantity(NamedTuple):
    """A number and how it likes to be written."""

    value: Fraction
    """The number itself, in the unit without suffix."""

    style: str
    """``binary``, ``decimal`` or ``exponent``."""

    def __str__(self) -> str:
        return _canonical(self.value, self.style)


@lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """A quantity from text, no finer than nano; ValueError with the server's wording."""
    shape = _SHAPE.match(text)
    if not shape:
        raise ValueError(FORMAT)
    number, suffix = shape.groups()
    if not _NUMBER.match(number):
        raise ValueError(NUMERIC if number.count(".") < 2 else FORMAT)
    scale, style = _suffix(suffix)
    value = Fraction(number if not number.endswith(".") else number + "0") * scale
    return Quantity(_rounded(value, NANO), style)


def canonical(text: str) -> str:
    """``1000m`` → ``1``, ``1024Mi`` → ``1Gi``, ``0.5`` → ``500m``."""
    return str(parse(text))


def rounded_to_milli(text: str) -> str:
    """No finer than a thousandth, rounded away from zero: ``100u`` → ``1m``."""
    quantity = parse(text)
    return str(Quantity(_rounded(quantity.value, Fraction(1, 1000)), quantity.style))


def _rounded(value: Fraction, step: Fraction) -> Fraction:
    units = value / step
    if units.denominator == 1:
        return value
    whole = abs(units.numerator) // units.denominator + 1
    return step * (whole if value > 0 else -whole)


def _suffix(text: str) -> tuple[Fraction, str]:
    if text in _DECIMAL:
        return Fraction(10) ** _DECIMAL[text], "decimal"
    if text in _BINARY:
        return Fraction(2) ** _BINARY[text], "binary"
    if re.match(r"^[eE][-+]?[0-9]+$", text):
        return Fraction(10) ** int(text[1:]), "exponent"
    raise ValueError(SUFFIX)


def _canonical(value: Fraction, style: str) -> str:
    if value == 0:
        return "0"
    # A binary quantity below one unit of Ki is written as a decimal one.
    if style == "binary" and (abs(value) < 1024 or value.denominator != 1):
        style = "decimal"
    if style == "binary":
        number, suffix = value.numerator, ""
        for name in _BINARY:
            if number % 1024:
                break
            number, suffix = number // 1024, name
        return f"{number}{suffix}"
    exponent = -9
    while exponent < 18 and (value / Fraction(10) ** (exponent + 3)).denominator == 1:
        exponent += 3
    number = (value / Fraction(10) ** exponent).numerator
    if style == "exponent":
        return f"{number}e{exponent}" if exponent else str(number)
    suffix = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{number}{suffix}"
