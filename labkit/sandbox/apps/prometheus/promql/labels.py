"""Labels of a series: pairs in the order of their names, so that two equal sets are equal and can be keys."""

import re
from collections.abc import Collection, Mapping

from labkit.sandbox.apps.prometheus.promql.errors import QueryError

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Labels = tuple[tuple[str, str], ...]

NAME = "__name__"
EMPTY: Labels = ()


def labels(pairs: Mapping[str, str]) -> Labels:
    """Labels without the empty ones: an empty label is an absent one."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def value(of: Labels, name: str) -> str:
    """A label's value; empty where there is none."""
    return next((text for label, text in of if label == name), "")


def only(of: Labels, names: Collection[str]) -> Labels:
    """The labels with these names."""
    return tuple(pair for pair in of if pair[0] in names)


def without(of: Labels, names: Collection[str]) -> Labels:
    """The labels with other names."""
    return tuple(pair for pair in of if pair[0] not in names)


def unnamed(of: Labels) -> Labels:
    """The labels without the metric's name."""
    # __name__ sorts before every label that starts with a small letter, yet not before capital ones.
    return tuple(pair for pair in of if pair[0] != NAME)


def replaced(of: Labels, name: str, text: str) -> Labels:
    """With one label set, or removed when ``text`` is empty."""
    return labels({**dict(of), name: text})


def text(of: Labels) -> str:
    """As Prometheus' messages write them: ``{__name__="requests", code="200"}``."""
    return "{" + ", ".join(f'{name}="{_escaped(v)}"' for name, v in of) + "}"


def check(name: str, message: str) -> None:
    """QueryError with the message when a text cannot be a label's name."""
    if not _LABEL.fullmatch(name):
        raise QueryError(f"{message}: {name}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
