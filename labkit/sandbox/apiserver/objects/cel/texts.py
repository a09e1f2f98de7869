"""The functions of texts that Kubernetes has beyond CEL's own, by their public names.

The runtime's own extension of this kind cannot be extended by the same names for lists, which Kubernetes does.
"""

from collections.abc import Callable, Mapping
from typing import Any

_FORMATS = {"d": "d", "f": ".6f", "e": ".6e", "b": "b", "o": "o", "x": "x", "X": "X"}


def char_at(text: str, at: int) -> str:
    """One letter; empty right behind the last."""
    if not 0 <= at <= len(text):
        raise ValueError(f"index out of range: {at}")
    return text[at : at + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """Where a part first stands, or -1."""
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text.find(part, start)


def last_index_of(text: str, part: str, last: int | None = None) -> int:
    """Where a part last stands, or -1."""
    if last is None:
        return text.rfind(part)
    if not 0 <= last <= len(text):
        raise ValueError(f"index out of range: {last}")
    return text.rfind(part, 0, last + len(part))


def ascii_case(change: Callable[[str], str]) -> Callable[[str], str]:
    """Upper or lower case of ASCII letters alone."""
    return lambda text: "".join(change(letter) if letter.isascii() else letter for letter in text)


def replaced(text: str, old: str, new: str, most: int = -1) -> str:
    """Every place, or so many of them."""
    return text.replace(old, new, most)


def split(text: str, mark: str, most: int = -1) -> list[str]:
    """Parts between marks; without a mark, letters."""
    if most == 0:
        return []
    parts = text.split(mark) if mark else list(text)
    if most < 0 or len(parts) <= most:
        return parts
    return [*parts[: most - 1], mark.join(parts[most - 1 :])]


def substring(text: str, start: int, end: int | None = None) -> str:
    """From a place to another, or to the end."""
    stop = len(text) if end is None else end
    if not 0 <= start <= len(text) or not 0 <= stop <= len(text):
        raise ValueError(f"index out of range: {start if not 0 <= start <= len(text) else stop}")
    if stop < start:
        raise ValueError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def quoted(text: str) -> str:
    """In double quotes, as a literal."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def formatted(pattern: str, values: list[Any]) -> str:
    """``"%s has %d".format([a, b])``."""
    rest, texts = list(values), []
    parts = pattern.split("%")
    texts.append(parts[0])
    at = 1
    while at < len(parts):
        part = parts[at]
        if not part:
            # Two per cent signs are one.
            texts.append("%" + (parts[at + 1] if at + 1 < len(parts) else ""))
            at += 2
            continue
        digits = part.lstrip(".0123456789")
        verb, precision = digits[:1], part[: len(part) - len(digits)]
        if not rest:
            raise ValueError("index 0 out of range")
        texts.append(_one(verb, precision, rest.pop(0)) + digits[1:])
        at += 1
    return "".join(texts)


def _one(verb: str, precision: str, value: Any) -> str:
    if verb == "s":
        return shown(value)
    if verb in ("f", "e"):
        return format(float(value), f"{precision or '.6'}{verb}")
    if verb in _FORMATS:
        return format(value, _FORMATS[verb])
    raise ValueError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')


def shown(value: Any) -> str:
    """A value inside a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in sorted(value.items())) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
