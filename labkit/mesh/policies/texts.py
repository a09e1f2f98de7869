"""Texts of policies: ``*``, ``*end``, ``start*`` or exactly as written."""

import re

from labkit.mesh.ir import Text

# Envoy refuses an empty prefix or suffix, and Istio's own form of "anything, but something" is this one.
SOMETHING = Text(kind="regex", value=".+")

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def quoted(plain: str) -> str:
    """A regular expression that only this text fits, as RE2 quotes it."""
    return _SPECIAL.sub(r"\\\g<0>", plain)


def text(value: str, before: str = "") -> Text:
    """How a value is compared; ``before`` stands before each text that it is compared with."""
    if value == "*":
        return SOMETHING
    if value.startswith("*"):
        end = value[1:]
        return Text(kind="regex", value=f"{before}.*{quoted(end)}") if before else Text(kind="suffix", value=end)
    if value.endswith("*"):
        return Text(kind="prefix", value=before + value[:-1])
    return Text(kind="exact", value=before + value)


def header(value: str) -> Text:
    """The same of a header, whose mere presence is a question of its own."""
    return Text(kind="present") if value == "*" else text(value)
