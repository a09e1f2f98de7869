"""label_replace and label_join."""

import re
from collections.abc import Sequence

from labkit.sandbox.apps.prometheus.promql import labels
from labkit.sandbox.apps.prometheus.promql.errors import QueryError
from labkit.sandbox.apps.prometheus.promql.matchers import regex
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def expand(match: re.Match[str], template: str) -> str:
    """A template of Go's regexp: ``$1``, ``${1}``, ``$name``; an unknown group is empty, ``$$`` a dollar."""

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(value, template)


def label_replace(vector: Vector, to: str, template: str, source: str, pattern: str) -> Vector:
    """``to`` set from ``source`` where the whole of it matches."""
    try:
        compiled = regex(pattern)
    except QueryError as e:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from e
    labels.check(to, "invalid destination label name in label_replace()")
    result = []
    for of, value in vector:
        match = compiled.fullmatch(labels.value(of, source))
        result.append(Sample(labels.replaced(of, to, expand(match, template)) if match else of, value))
    return result


def label_join(vector: Vector, to: str, separator: str, sources: Sequence[str]) -> Vector:
    """``to`` set to the sources' values, joined."""
    for source in sources:
        labels.check(source, "invalid source label name in label_join()")
    labels.check(to, "invalid destination label name in label_join()")
    return [
        Sample(labels.replaced(of, to, separator.join(labels.value(of, name) for name in sources)), value)
        for of, value in vector
    ]
