"""Answers of a Prometheus as data to compare: ours in the shape of its HTTP API, and how far two may be apart."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.sandbox.apps.prometheus import answering
from labkit.sandbox.apps.prometheus.promql import evaluation, samples
from labkit.sandbox.apps.prometheus.promql.errors import QueryError, UnsupportedError
from labkit.sandbox.apps.prometheus.promql.matchers import Matcher, accept
from labkit.sandbox.apps.prometheus.promql.samples import Series

Answer = dict[str, Any]

NEAR = 1e-9

NEAR_DEVIATION = 1e-6
"""For deviations of times: Prometheus 2 adds up without what rounding loses, 1,700,000,000 being far from 2."""


class Drawn:
    """Drawn series as the source of queries."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = sorted(series, key=lambda one: one.labels)

    def select(self, matchers: Sequence[Matcher]) -> list[Series]:
        return [one for one in self._series if accept(tuple(matchers), one.labels)]


def ours(source: Drawn, query: Mapping[str, str]) -> Answer:
    """What the evaluator answers, with the rules of Prometheus 2: the recorded one is of that major."""
    settings = evaluation.Settings(dialect=samples.V2)
    text = query["query"]
    try:
        if "step" in query:
            start, end, step = (round(float(query[key]) * 1000) for key in ("start", "end", "step"))
            data = answering.matrix(evaluation.range_of(text, source, start, end, step, settings))
        else:
            at = round(float(query["time"]) * 1000)
            data = answering.value(evaluation.instant(text, source, at, settings), at)
    except QueryError as e:
        if isinstance(e, UnsupportedError):
            raise
        return {"status": "error", "errorType": e.kind, "error": str(e)}
    return {"status": "success", "data": data}


def difference(query: str, expected: Answer, answer: Answer) -> str:
    """What differs in words; empty when nothing does."""
    if expected["status"] != answer["status"]:
        return f"status: {expected.get('error', 'success')} / {answer.get('error', 'success')}"
    if expected["status"] == "error":
        return "" if expected["errorType"] == answer["errorType"] else f"{expected['errorType']}/{answer['errorType']}"
    a, b = expected["data"], answer["data"]
    if a["resultType"] != b["resultType"]:
        return f"type: {a['resultType']} / {b['resultType']}"
    if a["resultType"] in ("scalar", "string"):
        return _numbers([a["result"]], [b["result"]])
    if query.startswith(("sort", "topk", "bottomk")) and a["resultType"] == "vector":
        mine, theirs = [[e["metric"] for e in x["result"]] for x in (a, b)]
        if mine != theirs and not query.startswith("sort"):
            return f"order: {mine} / {theirs}"
    left, right = _by_labels(a["result"]), _by_labels(b["result"])
    if left.keys() != right.keys():
        return f"labels: only real {sorted(left.keys() - right.keys())}, only ours {sorted(right.keys() - left.keys())}"
    return next((f"{of}: {text}" for of in left if (text := _numbers(left[of], right[of], query=query))), "")


def _by_labels(result: Sequence[Any]) -> dict[tuple[tuple[str, str], ...], list[Any]]:
    return {tuple(sorted(e["metric"].items())): e.get("values") or [e.get("value")] for e in result}


def _numbers(left: Sequence[Any], right: Sequence[Any], *, query: str = "") -> str:
    if [time for time, _ in left] != [time for time, _ in right]:
        return f"times: {left} / {right}"
    for (time, a), (_, b) in zip(left, right, strict=True):
        if a == b:
            continue
        x, y = float(a), float(b)
        # The deviation of one infinite value is 0 in Prometheus 2, and not a number in 3.
        if x == 0 and y != y and "std" in query:
            continue
        near = NEAR_DEVIATION if "std" in query and "time" in query else NEAR
        if not (x == y or math.isclose(x, y, rel_tol=near, abs_tol=NEAR) or (x != x and y != y)):
            return f"at {time}: {a} / {b}"
    return ""
