"""Values of queries in the shape of Prometheus' HTTP API."""

from collections.abc import Iterable
from typing import Any

from labkit.sandbox.apps.prometheus.promql.evaluation import Value
from labkit.sandbox.apps.prometheus.promql.labels import EMPTY
from labkit.sandbox.apps.prometheus.promql.numbers import text_of
from labkit.sandbox.apps.prometheus.promql.samples import Matrix, Sample, Series

Answer = dict[str, Any]


def value(result: Value, at: int) -> Answer:
    """The data of an instant query's answer."""
    if isinstance(result, float):
        return {"resultType": "scalar", "result": _point(at, result)}
    if isinstance(result, str):
        return {"resultType": "string", "result": [at / 1000, result]}
    if isinstance(result, Matrix):
        return {"resultType": "matrix", "result": [_series(w.labels, w.times, w.values) for w in result]}
    samples = [element for element in result if isinstance(element, Sample)]
    return {
        "resultType": "vector",
        "result": [{"metric": dict(of), "value": _point(at, number)} for of, number in samples],
    }


def matrix(series: Iterable[Series]) -> Answer:
    """The data of a range query's answer."""
    return {"resultType": "matrix", "result": [_series(one.labels, one.times, one.values) for one in series]}


def _series(of: Any, times: Iterable[int], values: Iterable[float]) -> Answer:
    return {"metric": dict(of or EMPTY), "values": [_point(t, v) for t, v in zip(times, values, strict=True)]}


def _point(at: int, number: float) -> list[Any]:
    return [at / 1000, text_of(number)]
