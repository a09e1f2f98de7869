"""The evaluator: walks what ``promql-parser`` read, at one time after the other.

A value is a number, a text, an instant vector (list of Sample) or a range vector (list of Window).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import promql_parser as parser

from labkit.sandbox.apps.prometheus.promql import (
    aggregation,
    functions,
    labels,
    operators,
    samples,
    syntax,
)
from labkit.sandbox.apps.prometheus.promql.errors import (
    SAME_LABELS,
    QueryError,
    UnreadableError,
    UnsupportedError,
)
from labkit.sandbox.apps.prometheus.promql.labels import Labels
from labkit.sandbox.apps.prometheus.promql.samples import (
    Dialect,
    Matrix,
    Sample,
    Series,
    Source,
    Stored,
    Vector,
    Window,
)

LOOKBACK = 300_000
"""Milliseconds for which a sample counts when no newer one came."""

SUBQUERY_STEP = 60_000
"""Milliseconds between a subquery's times where it names none: the global evaluation interval."""

MAX_POINTS = 11_000
"""Most steps that a range may have, as in Prometheus."""

Value = float | str | Vector | Matrix


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server sets for all its queries."""

    lookback: int = LOOKBACK
    subquery_step: int = SUBQUERY_STEP
    dialect: Dialect = samples.V3


def instant(text: str, source: Source, at: int, settings: Settings | None = None) -> Value:
    """The value of a query at one time (milliseconds since the epoch)."""
    tree = syntax.read(text)
    value = Evaluation(source, at, at, settings or Settings()).value(tree, at)
    return samples.unique(_vector(value)) if _is_vector(value) else value


def range_of(
    text: str, source: Source, start: int, end: int, step: int, settings: Settings | None = None
) -> list[Series]:
    """The values of a query from ``start`` to ``end``, one series for each set of labels."""
    if step <= 0:
        raise UnreadableError("zero or negative query resolution step widths are not accepted. Try a positive integer")
    if (end - start) / step > MAX_POINTS:
        raise UnreadableError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
            "(?step=XX)"
        )
    tree = syntax.read(text)
    return Evaluation(source, start, end, settings or Settings()).series(tree, range(start, end + 1, step))


@dataclass
class Evaluation:
    """One query's evaluation; selections and subqueries are kept between its steps."""

    source: Source
    start: int
    end: int
    settings: Settings
    _selected: dict[int, list[Stored]] = field(default_factory=dict)
    _inner: dict[tuple[int, int], Vector] = field(default_factory=dict)

    def series(self, tree: Any, times: Sequence[int]) -> list[Series]:
        """The vectors of many times, joined to series."""
        joined: dict[Labels, tuple[list[int], list[float]]] = {}
        for time in times:
            value = self.value(tree, time)
            if isinstance(value, float):
                value = [Sample(labels.EMPTY, value)]
            if isinstance(value, str | Matrix):
                kind = "string" if isinstance(value, str) else "range vector"
                raise UnreadableError(
                    f'invalid parameter "query": invalid expression type "{kind}" for range query, must be Scalar or '
                    "instant Vector"
                )
            for of, number in _vector(value):
                moments, numbers = joined.setdefault(of, ([], []))
                if moments and moments[-1] == time:
                    raise QueryError(SAME_LABELS)
                moments.append(time)
                numbers.append(number)
        return [Series(of, moments, numbers) for of, (moments, numbers) in sorted(joined.items())]

    def value(self, node: Any, at: int) -> Value:
        """The value of a node at a time."""
        match node:
            case parser.NumberLiteral():
                return float(node.val)
            case parser.StringLiteral():
                return str(node.val)
            case parser.ParenExpr():
                return self.value(node.expr, at)
            case parser.UnaryExpr():
                return self._negated(node, at)
            case parser.VectorSelector():
                return [Sample(series.labels, value) for series, (_, value) in self._latest(node, at)]
            case parser.MatrixSelector():
                return self._windows(node, at)
            case parser.SubqueryExpr():
                return self._subquery(node, at)
            case parser.BinaryExpr():
                return self._binary(node, at)
            case parser.AggregateExpr():
                return self._aggregated(node, at)
            case parser.Call():
                return functions.call(self, node, at)
        raise UnsupportedError(type(node).__name__)

    def vector(self, node: Any, at: int) -> Vector:
        """The value of a node that the parser has found to be an instant vector."""
        return _vector(self.value(node, at))

    def number(self, node: Any, at: int) -> float:
        """The value of a node that is a scalar."""
        value = self.value(node, at)
        assert isinstance(value, float)
        return value

    def windows(self, node: Any, at: int) -> Matrix:
        """The value of a node that is a range vector."""
        value = self.value(node, at)
        assert isinstance(value, Matrix)
        return value

    def sample_times(self, node: Any, at: int) -> Vector:
        """A selector's samples, each with its own time in seconds as value."""
        return [Sample(series.labels, time / 1000) for series, (time, _) in self._latest(node, at)]

    def _selection(self, node: Any) -> list[Stored]:
        if id(node) not in self._selected:
            self._selected[id(node)] = list(self.source.select(syntax.matchers(node)))
        return self._selected[id(node)]

    def _moment(self, node: Any, at: int) -> int:
        return syntax.moment(node, at, self.start, self.end)

    def _latest(self, node: Any, at: int) -> Iterator[tuple[Stored, tuple[int, float]]]:
        moment = self._moment(node, at)
        for series in self._selection(node):
            if sample := samples.latest(series, moment, self.settings.lookback, self.settings.dialect):
                yield series, sample

    def _windows(self, node: Any, at: int) -> Matrix:
        selector = node.vector_selector
        end = self._moment(selector, at)
        start = end - syntax.milliseconds(node.range)
        series = self._selection(selector)
        windows = (samples.window(one, start, end, self.settings.dialect) for one in series)
        return Matrix(window for window in windows if window)

    def _subquery(self, node: Any, at: int) -> Matrix:
        end = self._moment(node, at)
        start = end - syntax.milliseconds(node.range)
        step = syntax.milliseconds(node.step) or self.settings.subquery_step
        first = start // step * step
        if first < start or (first == start and self.settings.dialect.is_left_open):
            first += step
        joined: dict[Labels, tuple[list[int], list[float]]] = {}
        for time in range(first, end + 1, step):
            for of, number in self._inner_vector(node.expr, time):
                moments, numbers = joined.setdefault(of, ([], []))
                moments.append(time)
                numbers.append(number)
        return Matrix(Window(of, moments, numbers, start, end) for of, (moments, numbers) in joined.items())

    def _inner_vector(self, node: Any, at: int) -> Vector:
        """A subquery's vector; windows overlap, so the next step asks for most of them again."""
        key = (id(node), at)
        if key not in self._inner:
            value = self.value(node, at)
            self._inner[key] = [Sample(labels.EMPTY, value)] if isinstance(value, float) else _vector(value)
        return self._inner[key]

    def _negated(self, node: Any, at: int) -> Value:
        value = self.value(node.expr, at)
        if isinstance(value, float):
            return -value
        return samples.unique([Sample(labels.unnamed(of), -number) for of, number in _vector(value)])

    def _binary(self, node: Any, at: int) -> Value:
        op, modifier = str(node.op), node.modifier
        left, right = self.value(node.lhs, at), self.value(node.rhs, at)
        is_bool = bool(modifier and modifier.return_bool)
        if isinstance(left, float) and isinstance(right, float):
            return operators.of_numbers(op, left, right)
        if isinstance(right, float):
            return samples.unique(operators.with_number(op, _vector(left), right, is_left=False, is_bool=is_bool))
        if isinstance(left, float):
            return samples.unique(operators.with_number(op, _vector(right), left, is_left=True, is_bool=is_bool))
        matching = syntax.matching(modifier)
        if op in ("and", "or", "unless"):
            return operators.of_sets(op, _vector(left), _vector(right), matching)
        return operators.of_vectors(op, _vector(left), _vector(right), matching, is_bool=is_bool)

    def _aggregated(self, node: Any, at: int) -> Vector:
        parameter: float | str | None = None
        if node.param is not None:
            value = self.value(node.param, at)
            assert isinstance(value, float | str)
            parameter = value
        names = node.modifier.labels if node.modifier else []
        is_without = bool(node.modifier) and node.modifier.type == parser.AggModifierType.Without
        vector = self.vector(node.expr, at)
        return aggregation.aggregate(str(node.op), parameter, vector, names, is_without=is_without)


def _is_vector(value: Value) -> bool:
    return isinstance(value, list) and not isinstance(value, Matrix)


def _vector(value: Value) -> Vector:
    assert isinstance(value, list)
    return [element for element in value if isinstance(element, Sample)]
