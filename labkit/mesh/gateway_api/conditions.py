"""Conditions of a status, in the order and with the words of Istio."""

from collections.abc import Sequence

from labkit.kube.resources import Object

FINE = "No errors found"
RESOLVED = "All references resolved"


def condition(kind: str, reason: str, message: str, *, is_true: bool = True, seen: int = 1) -> Object:
    """One condition without its time, which is the edge's to set."""
    return {
        "type": kind,
        "status": "True" if is_true else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": seen,
    }


def joined(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``."""
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"
