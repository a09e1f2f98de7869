"""Command lines of Go programs."""

from collections.abc import Mapping, Sequence


def parse(argv: Sequence[str]) -> dict[str, str]:
    """Flags by name: ``--a=b`` and ``--a b``; a flag alone is ``true``."""
    flags: dict[str, str] = {}
    words = list(argv) if argv and argv[0].startswith("-") else list(argv[1:])
    while words:
        name, equals, text = words.pop(0).lstrip("-").partition("=")
        if not equals and words and not words[0].startswith("-"):
            text = words.pop(0)
        flags[name] = text if equals or text else "true"
    return flags


def port(flags: Mapping[str, str], default: int, *, name: str = "web.listen-address") -> int:
    """The port of an address such as ``0.0.0.0:9090`` or ``:9090``."""
    _, _, number = flags.get(name, "").rpartition(":")
    return int(number) if number.isdigit() else default
