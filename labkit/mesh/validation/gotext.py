"""Values as Go prints them, which is how Istio's messages quote them."""

import json
import math
import re

_ESCAPES = {"\a": r"\a", "\v": r"\v", "\b": r"\b", "\f": r"\f"}


def quoted(text: str) -> str:
    """A text as ``%q`` prints it."""
    plain = json.dumps(text, ensure_ascii=False)
    for character, escape in _ESCAPES.items():
        plain = plain.replace(json.dumps(character)[1:-1], escape).replace(character, escape)
    return re.sub(r"\\u00([0-9a-f]{2})", r"\\x\1", plain).replace("\x7f", r"\x7f")


def number(value: float) -> str:
    """A float as ``%v`` prints it: no exponent below 10^21, none above 10^-5."""
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(float(value))
