"""Checks of one field: each is given its value (None when absent) and its path, and yields what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.validation import causes, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Check = Callable[[Any, str], Iterator[Cause]]

INT32 = 2**31 - 1
ANNOTATIONS_BYTES = 256 * 1024


def needed(detail: str = "") -> Check:
    """The field must hold something."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if value in (None, "", [], {}) or (value == 0 and not isinstance(value, bool)):
            yield causes.required(path, detail)

    return check


def needed_value(value: Any, path: str) -> Iterator[Cause]:
    """The field must be set, to whatever."""
    if value is None:
        yield causes.required(path)


def one_of(*supported: str, optional: bool = True) -> Check:
    """One of these words; an empty one passes if the field is optional."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if value not in supported and not (optional and value in (None, "")):
            yield causes.unsupported(path, value or "", supported)

    return check


def word(*supported: str) -> Check:
    """One of these words where the field is set; an empty text is none of them."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if value is not None and value not in supported:
            yield causes.unsupported(path, value, supported)

    return check


def needed_one_of(*supported: str, detail: str = "") -> Check:
    """A word, and one of these."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if not value:
            yield causes.required(path, detail)
        elif value not in supported:
            yield causes.unsupported(path, value, supported)

    return check


def form(of: names.Form) -> Check:
    """A text of some form, where there is one."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        for problem in of(value) if value else ():
            yield causes.wrong(path, value, problem)

    return check


def each(check_one: Check) -> Check:
    """Every item of a list."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        for at, item in enumerate(value or ()):
            yield from check_one(item, f"{path}[{at}]")

    return check


def between(low: int, high: int) -> Check:
    """A number from ``low`` to ``high``, where there is one."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if isinstance(value, int) and not low <= value <= high:
            yield causes.wrong(path, value, f"must be between {low} and {high}, inclusive")

    return check


def at_least(low: int, detail: str = "") -> Check:
    """A number not below ``low``, where there is one."""

    def check(value: Any, path: str) -> Iterator[Cause]:
        if isinstance(value, int) and value < low:
            yield causes.wrong(path, value, detail or f"must be greater than or equal to {low}")

    return check


not_negative = at_least(0)


def port_number(value: Any, path: str) -> Iterator[Cause]:
    """A port."""
    if not isinstance(value, int) or not 1 <= value <= 65535:
        yield causes.wrong(path, value or 0, "must be between 1 and 65535, inclusive")


def port(value: Any, path: str) -> Iterator[Cause]:
    """A port by number or name."""
    if isinstance(value, str):
        for problem in names.port_name(value):
            yield causes.wrong(path, value, problem)
    else:
        yield from port_number(value, path)


def amount(value: Any, path: str) -> Iterator[Cause]:
    """A count or a percentage, not negative."""
    if isinstance(value, str):
        for problem in names.percent(value):
            yield causes.wrong(path, value, problem)
    elif value is not None:
        yield from not_negative(value, path)


def up_to_all(value: Any, path: str) -> Iterator[Cause]:
    """A percentage of at most 100 %."""
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        yield causes.wrong(path, value, "must not be greater than 100%")


def label_set(value: Any, path: str) -> Iterator[Cause]:
    """Labels, or a selector made of labels."""
    for key, text in (value or {}).items():
        for problem in names.qualified(key):
            yield causes.wrong(path, key, problem)
        for problem in names.label_value(text):
            yield causes.wrong(path, text, problem)


def selector(value: Any, path: str) -> Iterator[Cause]:
    """A label selector."""
    given: Mapping[str, Any] = value or {}
    yield from label_set(given.get("matchLabels"), f"{path}.matchLabels")
    for at, term in enumerate(given.get("matchExpressions") or ()):
        here, operator, values = f"{path}.matchExpressions[{at}]", term.get("operator"), term.get("values")
        if operator in ("In", "NotIn"):
            if not values:
                detail = "must be specified when `operator` is 'In' or 'NotIn'"
                yield causes.required(f"{here}.values", detail)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield causes.forbidden(f"{here}.values", detail)
        else:
            yield causes.wrong(f"{here}.operator", operator or "", "not a valid selector operator")
        for problem in names.qualified(term.get("key") or ""):
            yield causes.wrong(f"{here}.key", term.get("key") or "", problem)
        for place, one in enumerate(values or ()):
            for problem in names.label_value(one):
                yield causes.wrong(f"{here}.values[{place}]", one, problem)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or ():
        value, values = labels.get(term["key"]), term.get("values") or ()
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds.get(term["operator"]):
            return False
    return True


def annotations(value: Mapping[str, str], path: str) -> Iterator[Cause]:
    """Annotations, each under a qualified name and all of them of limited size."""
    for key in value:
        for problem in names.qualified(key.lower()):
            yield causes.wrong(path, key, problem)
    if sum(len(key.encode()) + len(text.encode()) for key, text in value.items()) > ANNOTATIONS_BYTES:
        yield causes.too_long(path, ANNOTATIONS_BYTES)


def positive_quantity(value: str, path: str) -> Iterator[Cause]:
    """A quantity that is not negative."""
    if quantities.parse(value).value < 0:
        yield causes.wrong(path, value, "must be greater than or equal to 0")
