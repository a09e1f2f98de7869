"""topk and bottomk, sort and sort_desc."""

from collections.abc import Iterable

from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector


def best(members: Iterable[Sample], count: int, *, is_top: bool) -> Vector:
    """The ``count`` largest or smallest, best first; a NaN only where numbers are too few."""
    return ordered(members, is_descending=is_top)[: max(0, count)]


def ordered(vector: Iterable[Sample], *, is_descending: bool) -> Vector:
    """By value, NaN last; of equal ones the earlier stays first."""
    sign = -1 if is_descending else 1
    return sorted(vector, key=lambda s: (s.value != s.value, sign * s.value if s.value == s.value else 0))
