"""PromQL's functions, by what they take: range vectors, instant vectors, numbers, texts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import promql_parser as parser

from labkit.sandbox.apps.prometheus.promql import (
    elementwise,
    histograms,
    labels,
    overtime,
    ranking,
    rates,
    samples,
    syntax,
    texts,
)
from labkit.sandbox.apps.prometheus.promql.errors import UnsupportedError
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector, Window

if TYPE_CHECKING:
    from labkit.sandbox.apps.prometheus.promql.evaluation import Evaluation, Value

Call = Callable[["Evaluation", Sequence[Any], int], "Value"]

EXTRAPOLATED = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
"""Whether it is of a counter, and whether per second."""

INSTANT = {"irate": True, "idelta": False}


def call(evaluation: "Evaluation", node: Any, at: int) -> "Value":
    """The value of a call; UnsupportedError names a function that is not here."""
    name, args = node.func.name, node.args
    if name in OVER_WINDOWS:
        return _over_windows(evaluation, name, args, at)
    if name in elementwise.NUMBERS:
        return _each(evaluation.vector(args[0], at), elementwise.NUMBERS[name])
    if name in elementwise.DATES:
        vector = evaluation.vector(args[0], at) if args else [Sample(labels.EMPTY, at / 1000)]
        return _each(vector, elementwise.DATES[name])
    if name in OTHERS:
        return OTHERS[name](evaluation, args, at)
    raise UnsupportedError(f"the function {name}()")


def _each(vector: Vector, function: Callable[[float], float]) -> Vector:
    return samples.unique([Sample(labels.unnamed(of), function(value)) for of, value in vector])


def _over_windows(evaluating: "Evaluation", name: str, args: Sequence[Any], at: int) -> Vector:
    numbers = [evaluating.number(arg, at) for arg in args if not _is_range(arg)]
    windows = evaluating.windows(next(arg for arg in args if _is_range(arg)), at)
    result = []
    for window in windows:
        value = _of_window(evaluating, name, window, numbers, at)
        if value is not None:
            keeps = name in overtime.KEEP_NAME
            result.append(Sample(window.labels if keeps else labels.unnamed(window.labels), value))
    return samples.unique(result)


def _of_window(evaluating: "Evaluation", name: str, window: Window, numbers: Sequence[float], at: int) -> float | None:
    if name in EXTRAPOLATED:
        is_counter, is_rate = EXTRAPOLATED[name]
        return rates.extrapolated(window, evaluating.settings.dialect, is_counter=is_counter, is_rate=is_rate)
    if name in INSTANT:
        return rates.instant(window, is_rate=INSTANT[name])
    if name == "deriv":
        return rates.deriv(window)
    if name == "predict_linear":
        return rates.predicted(window, at, numbers[0])
    if name == "quantile_over_time":
        return overtime.quantile(numbers[0], window.values)
    return overtime.over_time(name, window)


OVER_WINDOWS = frozenset(
    {*EXTRAPOLATED, *INSTANT, "deriv", "predict_linear", "quantile_over_time", *overtime.FUNCTIONS}
)


def _is_range(node: Any) -> bool:
    return isinstance(syntax.unwrapped(node), parser.MatrixSelector | parser.SubqueryExpr)


def _absent(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    return [] if evaluating.vector(args[0], at) else [Sample(_labels_of(args[0]), 1.0)]


def _absent_over_time(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    return [] if evaluating.windows(args[0], at) else [Sample(_labels_of(args[0]), 1.0)]


def _labels_of(node: Any) -> labels.Labels:
    """What a selector says of the series that are not there: its equalities, where a label has only one."""
    node = syntax.unwrapped(node)
    if isinstance(node, parser.MatrixSelector):
        node = node.vector_selector
    if not isinstance(node, parser.VectorSelector):
        return labels.EMPTY
    pairs: dict[str, str] = {}
    several = set()
    for matcher in syntax.matchers(node):
        if matcher.name == labels.NAME:
            continue
        if matcher.op == "=" and matcher.name not in pairs:
            pairs[matcher.name] = matcher.value
        else:
            several.add(matcher.name)
    return labels.labels({name: value for name, value in pairs.items() if name not in several})


def _clamp(name: str) -> Call:
    def clamp(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
        low, high = elementwise.bounds(name, [evaluating.number(arg, at) for arg in args[1:]])
        if high < low:
            return []
        return _each(evaluating.vector(args[0], at), lambda value: elementwise.clamped(value, low, high))

    return clamp


def _round(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    to = evaluating.number(args[1], at) if len(args) > 1 else 1.0
    return _each(evaluating.vector(args[0], at), lambda value: elementwise.rounded(value, to))


def _scalar(evaluating: "Evaluation", args: Sequence[Any], at: int) -> float:
    vector = evaluating.vector(args[0], at)
    return vector[0].value if len(vector) == 1 else float("nan")


def _timestamp(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    node = syntax.unwrapped(args[0])
    if isinstance(node, parser.VectorSelector):
        dated = evaluating.sample_times(node, at)
    else:
        dated = [Sample(of, at / 1000) for of, _ in evaluating.vector(node, at)]
    return samples.unique([Sample(labels.unnamed(of), time) for of, time in dated])


def _label_replace(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    to, template, source, pattern = (str(evaluating.value(arg, at)) for arg in args[1:])
    vector = evaluating.vector(args[0], at)
    return samples.unique(texts.label_replace(vector, to, template, source, pattern))


def _label_join(evaluating: "Evaluation", args: Sequence[Any], at: int) -> Vector:
    to, separator, *sources = (str(evaluating.value(arg, at)) for arg in args[1:])
    return samples.unique(texts.label_join(evaluating.vector(args[0], at), to, separator, sources))


def _sort_by_label(evaluating: "Evaluation", args: Sequence[Any], at: int, *, is_descending: bool = False) -> Vector:
    names = [str(evaluating.value(arg, at)) for arg in args[1:]]
    return sorted(
        evaluating.vector(args[0], at),
        key=lambda s: ([labels.value(s.labels, name) for name in names], s.labels),
        reverse=is_descending,
    )


OTHERS: dict[str, Call] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp("clamp"),
    "clamp_max": _clamp("clamp_max"),
    "clamp_min": _clamp("clamp_min"),
    "histogram_quantile": lambda e, args, at: histograms.quantiles(e.number(args[0], at), e.vector(args[1], at)),
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": lambda e, args, at: 3.141592653589793,
    "round": _round,
    "scalar": _scalar,
    "sort": lambda e, args, at: ranking.ordered(e.vector(args[0], at), is_descending=False),
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": lambda e, args, at: _sort_by_label(e, args, at, is_descending=True),
    "sort_desc": lambda e, args, at: ranking.ordered(e.vector(args[0], at), is_descending=True),
    "time": lambda e, args, at: at / 1000,
    "timestamp": _timestamp,
    "vector": lambda e, args, at: [Sample(labels.EMPTY, e.number(args[0], at))],
}
