"""Binary operators: on two numbers, on a vector and a number, and on two vectors that are matched by labels."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from labkit.sandbox.apps.prometheus.promql import labels
from labkit.sandbox.apps.prometheus.promql.errors import QueryError
from labkit.sandbox.apps.prometheus.promql.labels import NAME, Labels
from labkit.sandbox.apps.prometheus.promql.numbers import divided
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How elements of two vectors find each other."""

    names: Sequence[str] = ()
    is_on: bool = False
    """Whether only ``names`` must be equal, rather than all others."""
    many: str = ""
    """The side that may have several elements for one of the other: ``left``, ``right`` or empty."""
    include: Sequence[str] = ()
    """Labels to take from the side that has one."""

    def key(self, of: Labels) -> Labels:
        """What two elements must have in common."""
        return labels.only(of, self.names) if self.is_on else labels.without(of, (*self.names, NAME))


def _remainder(a: float, b: float) -> float:
    if b == 0 or math.isinf(a) or a != a or b != b:
        return NAN
    return math.fmod(a, b)


def _power(a: float, b: float) -> float:
    try:
        result = a**b
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ZeroDivisionError:
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
    return result if isinstance(result, float) else NAN


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divided,
    "%": _remainder,
    "^": _power,
    "atan2": math.atan2,
}
TESTS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def of_numbers(op: str, left: float, right: float) -> float:
    """The result on two numbers; a comparison gives 1 or 0."""
    return ARITHMETIC[op](left, right) if op in ARITHMETIC else float(TESTS[op](left, right))


def with_number(op: str, vector: Vector, number: float, *, is_left: bool, is_bool: bool) -> Vector:
    """Each element with one number; ``is_left`` says that the number is on the left side."""
    result = []
    for of, value in vector:
        a, b = (number, value) if is_left else (value, number)
        if op in ARITHMETIC:
            result.append(Sample(labels.unnamed(of), ARITHMETIC[op](a, b)))
        elif is_bool:
            result.append(Sample(labels.unnamed(of), float(TESTS[op](a, b))))
        elif TESTS[op](a, b):
            result.append(Sample(of, value))
    return result


def of_sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """``and``, ``or``, ``unless``: by what elements have in common, whatever their values."""
    if op == "or":
        keys = {matching.key(of) for of, _ in left}
        return [*left, *(sample for sample in right if matching.key(sample.labels) not in keys)]
    keys = {matching.key(of) for of, _ in right}
    return [sample for sample in left if (matching.key(sample.labels) in keys) == (op == "and")]


def of_vectors(op: str, left: Vector, right: Vector, matching: Matching, *, is_bool: bool) -> Vector:
    """Each pair of elements that match."""
    if not left or not right:
        return []
    ones, many = (left, right) if matching.many == "right" else (right, left)
    side = "left" if matching.many == "right" else "right"
    one_of = _by_key(ones, matching, side)
    result: Vector = []
    used: set[Labels] = set()
    for sample in many:
        key = matching.key(sample.labels)
        one = one_of.get(key)
        if one is None:
            continue
        a, b = (one.value, sample.value) if matching.many == "right" else (sample.value, one.value)
        if op in ARITHMETIC:
            value = ARITHMETIC[op](a, b)
        elif is_bool:
            value = float(TESTS[op](a, b))
        elif TESTS[op](a, b):
            value = a
        else:
            continue
        of = _result_labels(sample.labels, one.labels, matching, drops_name=op in ARITHMETIC or is_bool)
        _check_once(used, of if matching.many else key, matching)
        result.append(Sample(of, value))
    return result


def _by_key(ones: Iterable[Sample], matching: Matching, side: str) -> dict[Labels, Sample]:
    one_of: dict[Labels, Sample] = {}
    for sample in ones:
        key = matching.key(sample.labels)
        if key in one_of:
            raise QueryError(
                f"found duplicate series for the match group {labels.text(key)} on the {side} hand-side of the "
                f"operation: [{labels.text(sample.labels)}, {labels.text(one_of[key].labels)}];many-to-many matching "
                "not allowed: matching labels must be unique on one side"
            )
        one_of[key] = sample
    return one_of


def _check_once(used: set[Labels], key: Labels, matching: Matching) -> None:
    if key in used:
        raise QueryError(
            "multiple matches for labels: grouping labels must ensure unique matches"
            if matching.many
            else "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )
    used.add(key)


def _result_labels(many: Labels, one: Labels, matching: Matching, *, drops_name: bool) -> Labels:
    kept = labels.unnamed(many) if drops_name else many
    if not matching.many:
        return labels.only(kept, matching.names) if matching.is_on else labels.without(kept, matching.names)
    taken = {name: labels.value(one, name) for name in matching.include}
    return labels.labels({**dict(kept), **taken}) if taken else kept
