"""Drawn samples and drawn queries: the same in every run, so that a real Prometheus' answers can be recorded."""

import random
from collections.abc import Callable, Iterator
from itertools import accumulate

from labkit.sandbox.apps.prometheus.promql.labels import labels
from labkit.sandbox.apps.prometheus.promql.samples import STALE, Series

BEGIN = 1_700_000_000_000
"""Milliseconds since the epoch of the first scrape."""

SCRAPES = 160
INTERVAL = 15_000
END = BEGIN + (SCRAPES - 1) * INTERVAL

WORKLOADS = ("productpage", "reviews", "ratings", "details")
CODES = ("200", "404", "503")
BOUNDS = ("1", "5", "10", "25", "50", "100", "+Inf")


def series() -> list[Series]:
    """Counters that restart, gauges, histograms; with late scrapes, gaps, markers and odd numbers."""
    draw = random.Random(15)
    return [*_counters(draw), *_gauges(draw), *_histograms(draw), *_odd(draw)]


def _times(draw: random.Random) -> list[int]:
    offset = draw.randrange(INTERVAL)
    times = [BEGIN + offset + n * INTERVAL + draw.choice((0, 0, 0, 7, -3, 250)) for n in range(SCRAPES)]
    begin = draw.choice((0, 0, 0, 30))
    gap = draw.randrange(20, 120) if draw.random() < 0.4 else SCRAPES
    return [*times[begin:gap], *times[gap + draw.choice((3, 25)) :]]


def _counters(draw: random.Random) -> Iterator[Series]:
    for workload in WORKLOADS:
        for code in CODES:
            for version in ("v1", "v2") if workload == "reviews" else ("v1",):
                of = {"workload": workload, "code": code, "version": version}
                times = _times(draw)
                values = _counted(draw, len(times))
                yield Series(labels({"__name__": "requests_total", **of}), *_ended(draw, times, values))


def _counted(draw: random.Random, count: int) -> list[float]:
    total, values, rate = draw.uniform(0, 90), [], draw.uniform(0.5, 40)
    for _ in range(count):
        total = draw.uniform(0, 3) if draw.random() < 0.015 else total + draw.choice((0, rate, rate * draw.random()))
        values.append(total)
    return values


def _ended(draw: random.Random, times: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Now and then a marker in the middle: the target was gone for a while."""
    if draw.random() < 0.3:
        values[draw.randrange(40, len(values))] = STALE
    return times, values


def _gauges(draw: random.Random) -> Iterator[Series]:
    for workload in WORKLOADS:
        for pod in ("a", "b"):
            times = _times(draw)
            values = list(accumulate((draw.gauss(0, 3) for _ in times), initial=draw.uniform(-20, 200)))[1:]
            of = {"__name__": "memory_bytes", "workload": workload, "pod": pod}
            yield Series(labels(of), *_ended(draw, times, values))
    for workload in WORKLOADS[1:]:
        times = _times(draw)
        values = [float(draw.randrange(1, 9) if n % 20 == 0 else 4) for n in range(len(times))]
        yield Series(labels({"__name__": "replicas", "workload": workload, "team": workload[0]}), times, values)


def _histograms(draw: random.Random) -> Iterator[Series]:
    for workload in WORKLOADS[:3]:
        for reporter in ("source", "destination"):
            times = _times(draw)
            steps = [[draw.choice((0, 0, 1, 3)) for _ in BOUNDS] for _ in times]
            totals = list(zip(*[accumulate(column) for column in zip(*steps, strict=True)], strict=True))
            below = [list(accumulate(row)) for row in totals]
            of = {"__name__": "duration_bucket", "workload": workload, "reporter": reporter}
            for number, bound in enumerate(BOUNDS):
                yield Series(labels({**of, "le": bound}), times, [float(row[number]) for row in below])


def _odd(draw: random.Random) -> Iterator[Series]:
    kinds = {"inf": float("inf"), "nan": float("nan"), "minus": float("-inf"), "zero": 0.0, "large": 1e6}
    for kind, odd in kinds.items():
        times = _times(draw)
        values = [odd if draw.random() < 0.2 else draw.uniform(-1e3, 1e3) for _ in times]
        yield Series(labels({"__name__": "odd", "kind": kind}), times, values)


LABELS = ("workload", "code", "version", "pod", "reporter", "team", "kind")


class Queries:
    """Draws queries by PromQL's grammar, over the drawn series."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def query(self) -> str:
        """One query."""
        return self.vector(self._draw.choice((1, 2, 2, 3)))

    def _of(self, *choices: Callable[[], str]) -> str:
        return self._draw.choice(choices)()

    def selector(self) -> str:
        draw = self._draw
        metric = draw.choice(("requests_total", "requests_total", "memory_bytes", "replicas", "duration_bucket", "odd"))
        matchers = [
            text
            for text in (
                'workload="reviews"', 'workload!="ratings"', 'workload=~"re.*|details"', 'code!~"5.."', 'version="v1"',
                'pod=~"a|"', 'nosuch=""', 'kind!="nan"', 'reporter="source"',
            )
            if draw.random() < 0.12
        ]  # fmt: skip
        return f"{metric}{{{','.join(matchers)}}}"

    def moved(self, selector: str) -> str:
        choice = self._draw.random()
        if choice < 0.12:
            return f"{selector} offset {self._draw.choice(('90s', '7m', '-2m'))}"
        if choice < 0.18:
            return f"{selector} @ {self._draw.choice(('1700001000', '1700001507.5', 'start()', 'end()'))}"
        return selector

    def window(self, depth: int) -> str:
        length = self._draw.choice(("1m", "2m", "5m", "47s", "10m"))
        if depth > 1 and self._draw.random() < 0.25:
            step = self._draw.choice(("30s", "45s", "", "1m"))
            return self.moved(f"({self.vector(depth - 1)})[{length}:{step}]")
        return self.moved(f"{self.selector()}[{length}]")

    def over_window(self, depth: int) -> str:
        draw, window = self._draw, self.window(depth)
        name = draw.choice((
            "rate", "rate", "rate", "increase", "increase", "irate", "delta", "idelta", "deriv", "changes", "resets",
            "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time",
            "stddev_over_time", "stdvar_over_time", "present_over_time", "quantile_over_time", "predict_linear",
            "absent_over_time",
        ))  # fmt: skip
        if name == "quantile_over_time":
            return f"quantile_over_time({draw.choice(('0.5', '0.9', '0', '1', '1.5', '-1'))}, {window})"
        if name == "predict_linear":
            # Prometheus 2 moves a window that `@` has fixed when predict_linear is asked for a range.
            return f"predict_linear({self.selector()}[5m], {draw.choice(('600', '60', '-30'))})"
        return f"{name}({window})"

    def grouping(self) -> str:
        names = self._draw.sample(LABELS, self._draw.choice((0, 1, 1, 2)))
        return f" {self._draw.choice(('by', 'by', 'without'))} ({', '.join(names)}) "

    def aggregation(self, depth: int) -> str:
        draw = self._draw
        op = draw.choice((
            "sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile",
            "count_values",
        ))  # fmt: skip
        grouping = self.grouping() if draw.random() < 0.7 else ""
        first = {
            "topk": draw.choice(("1, ", "2, ", "3, ")),
            "bottomk": draw.choice(("1, ", "2, ")),
            "quantile": draw.choice(("0.5, ", "0.9, ", "0.25, ")),
            "count_values": '"value", ',
        }.get(op, "")
        # Of equal elements any may be among the best; these are hardly ever equal.
        inner = {"topk": "memory_bytes", "bottomk": "memory_bytes", "count_values": self.selector()}.get(op)
        return f"{op}{grouping}({first}{inner or self.vector(depth - 1)})"

    def elementwise(self, depth: int) -> str:
        draw, inner = self._draw, self.vector(depth - 1)
        name = draw.choice((
            "abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "round", "clamp", "clamp_min",
            "clamp_max", "sin", "atan", "tanh", "deg", "hour", "day_of_week", "days_in_month", "timestamp", "absent",
            "scalar", "label_replace", "label_join", "sort", "sort_desc", "minute", "year",
        ))  # fmt: skip
        return {
            "round": f"round({inner}, {draw.choice(('1', '0.5', '10', '0.01'))})",
            "clamp": f"clamp({inner}, {draw.choice(('0, 10', '-5, 50', '3, 2'))})",
            "clamp_min": f"clamp_min({inner}, 12.5)",
            "clamp_max": f"clamp_max({inner}, 100)",
            "scalar": f"vector(scalar({inner}))",
            "label_replace": f'label_replace({inner}, "short", "$1-x", "workload", "(..).*")',
            "label_join": f'label_join({inner}, "both", "/", "workload", "version")',
        }.get(name, f"{name}({inner})")

    def binary(self, depth: int) -> str:
        draw = self._draw
        op = draw.choice(("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"))
        left = self.vector(depth - 1)
        if op in ("and", "or", "unless"):
            matching = draw.choice(("", "on(workload)", "ignoring(code, version)", "on()"))
            return f"{left} {op} {matching} {self.vector(depth - 1)}"
        is_bool = " bool" if op in ("==", "!=", ">", "<", ">=", "<=") and draw.random() < 0.4 else ""
        number = draw.choice(("0", "1", "2.5", "100", "-3", "time()", "0.5"))
        if draw.random() < 0.5:
            return draw.choice((f"{left} {op}{is_bool} {number}", f"{number} {op}{is_bool} {left}"))
        return f"{left} {op}{is_bool} {self.other_side(depth)}"

    def other_side(self, depth: int) -> str:
        choice = self._draw.random()
        if choice < 0.3:
            return f"on(workload) group_left({self._draw.choice(('', 'team'))}) replicas"
        if choice < 0.4:
            return f"on(workload) sum by (workload) ({self.vector(depth - 1)})"
        if choice < 0.55:
            return f"ignoring(code) {self.selector()}"
        return self.vector(depth - 1)

    def histogram(self) -> str:
        q = self._draw.choice(("0.5", "0.9", "0.95", "0.99", "0", "1", "-0.1", "1.1"))
        inner = f"rate(duration_bucket[{self._draw.choice(('1m', '2m', '5m'))}])"
        by = self._draw.choice(("", "sum by (le) ", "sum by (le, workload) ", "sum without (reporter) "))
        return f"histogram_quantile({q}, {by}({inner}))"

    def vector(self, depth: int) -> str:
        """An expression that is an instant vector."""
        if depth <= 0:
            return self.moved(self.selector())
        return self._of(
            lambda: self.moved(self.selector()),
            lambda: self.over_window(depth), lambda: self.over_window(depth),
            lambda: self.aggregation(depth), lambda: self.aggregation(depth),
            lambda: self.elementwise(depth),
            lambda: f"({self.binary(depth)})", lambda: f"({self.binary(depth)})",
            self.histogram,
            lambda: f"-{self.selector()}",
        )  # fmt: skip
