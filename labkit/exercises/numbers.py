"""Numbers as people write them."""

import re
from collections.abc import Mapping
from fractions import Fraction

WORDS: Mapping[str, int] = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"none": 0, "no": 0}
PARTS: Mapping[str, float] = {
    "half": 1 / 2,
    "third": 1 / 3,
    "quarter": 1 / 4,
    "fourth": 1 / 4,
    "fifth": 1 / 5,
    "sixth": 1 / 6,
    "eighth": 1 / 8,
    "tenth": 1 / 10,
}

_NUMBER = re.compile(r"(?P<number>[+-]?\d+(?:[.,]\d+)?)(?P<over>\s*/\s*\d+)?(\s*(?P<unit>%|percent|per cent))?")
_OF = re.compile(r"(?P<part>\w+)(?:\s+(?!of|in|out)\w+)?\s+(?:of|in|out of)\s+(?:a\s+)?(?P<whole>\w+)(?P<rest>.*)")


def parse(answer: object) -> float | None:
    """4, ``"4"``, ``"four"``, ``"4 pods"`` and ``"25 %"``; None of what is no number. A truth is none."""
    if isinstance(answer, bool):
        return None
    if isinstance(answer, int | float):
        return float(answer) if answer == answer and abs(answer) != float("inf") else None
    if not isinstance(answer, str):
        return None
    text = answer.strip().lower().strip("'\"`.")
    if match := _NUMBER.match(text):
        return _number(match) if _is_end(text[match.end() :]) else None
    first, _, rest = text.partition(" ")
    return float(WORDS[first]) if first in WORDS and _is_end(f" {rest}" if rest else "") else None


def count(answer: object) -> float | None:
    """The same for how many there are: ``"2 of 10"`` and ``"two of the ten pods"`` are 2."""
    text = answer.strip().lower() if isinstance(answer, str) else ""
    of = _OF.fullmatch(text.replace(" the ", " "))
    return parse(answer) if of is None or "%" in text else parse(of["part"])


def per_cent(answer: object) -> float | None:
    """A share in per cent: 25, 0.25, ``"25 %"``, ``"1/4"``, ``"one in four"`` and ``"a quarter"`` are all 25."""
    if isinstance(answer, str):
        text = answer.strip().lower()
        if (share := _fraction(text)) is not None:
            return 100.0 * share
        if "%" in text or "percent" in text or "per cent" in text:
            return parse(text)
    number = parse(answer)
    return 100.0 * number if number is not None and 0 < number < 1 else number


def _is_end(rest: str) -> bool:
    """Whether nothing but a unit follows, a word or two: ``4 pods``."""
    return not rest.strip() or re.fullmatch(r"\s+(?!of|in|out)[a-z]+(\s+[a-z]+)?", rest) is not None


def _number(match: re.Match[str]) -> float | None:
    value, over = float(match["number"].replace(",", ".")), float((match["over"] or "1").strip(" /"))
    return value / over if over else None


def _fraction(text: str) -> float | None:
    """``1/4``, ``one in four``, ``1 of 4``, ``a quarter``, ``half``."""
    if simple := re.fullmatch(r"(\d+)\s*/\s*(\d+)", text):
        return float(Fraction(int(simple[1]), int(simple[2]))) if int(simple[2]) else None
    if of := _OF.fullmatch(text):
        part, whole = parse(of["part"]), 100.0 if of["whole"] == "hundred" else parse(of["whole"])
        return part / whole if part is not None and whole else None
    words = text.replace("-", " ").split()
    if not words or words[-1].rstrip("s") not in {*PARTS, "halve"} or len(words) > 2:
        return None
    count = {"a": 1, "an": 1, **WORDS}.get(words[0], 1) if len(words) == 2 else 1
    return count * PARTS[words[-1].rstrip("s") if words[-1] != "halves" else "half"]
