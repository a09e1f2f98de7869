"""Aggregations: a vector's elements in groups, each group one element (or its k best)."""

import math
from collections.abc import Callable, Collection, Sequence
from functools import reduce
from operator import add

from labkit.sandbox.apps.prometheus.promql import labels, overtime, ranking
from labkit.sandbox.apps.prometheus.promql.errors import QueryError, UnreadableError, UnsupportedError
from labkit.sandbox.apps.prometheus.promql.labels import NAME, Labels
from labkit.sandbox.apps.prometheus.promql.numbers import text_of
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector

NAN = float("nan")


SIMPLE: dict[str, Callable[[Sequence[float]], float]] = {
    "avg": overtime.mean,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "max": overtime.largest,
    "min": overtime.smallest,
    "stddev": lambda values: math.sqrt(overtime.variance(values)),
    "stdvar": overtime.variance,
    "sum": lambda values: reduce(add, values),
}


def groups(vector: Vector, names: Collection[str], *, is_without: bool) -> dict[Labels, Vector]:
    """Elements by the labels that they share, in the order in which groups appear."""
    result: dict[Labels, Vector] = {}
    for sample in vector:
        of = sample.labels
        key = labels.without(of, (*names, NAME)) if is_without else labels.only(of, names)
        result.setdefault(key, []).append(sample)
    return result


def aggregate(
    op: str, parameter: float | str | None, vector: Vector, names: Collection[str], *, is_without: bool
) -> Vector:
    """The aggregation's vector."""
    grouped = groups(vector, names, is_without=is_without)
    if op in SIMPLE:
        return [Sample(of, float(SIMPLE[op]([s.value for s in members]))) for of, members in grouped.items()]
    if op in ("topk", "bottomk"):
        count = _count(op, parameter)
        return [s for members in grouped.values() for s in ranking.best(members, count, is_top=op == "topk")]
    if op == "quantile" and isinstance(parameter, float):
        return [Sample(of, overtime.quantile(parameter, [s.value for s in members])) for of, members in grouped.items()]
    if op == "count_values" and isinstance(parameter, str):
        labels.check(parameter, "invalid label name")
        return _counted(parameter, grouped)
    raise UnsupportedError(f"the aggregation {op}")


def _count(op: str, parameter: float | str | None) -> int:
    if not isinstance(parameter, float):
        raise UnreadableError(f"{op} needs a number")
    if parameter != parameter or math.isinf(parameter):
        raise QueryError(f"Scalar value {text_of(parameter)} overflows int64")
    return int(parameter)


def _counted(label: str, grouped: dict[Labels, Vector]) -> Vector:
    counts: dict[Labels, float] = {}
    for of, members in grouped.items():
        for sample in members:
            key = labels.replaced(of, label, text_of(sample.value))
            counts[key] = counts.get(key, 0.0) + 1
    return [Sample(of, count) for of, count in counts.items()]
