"""Amounts of resources, added up and compared as quantities; and what a pod asks for in all."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.quantities import Quantity, parse

Amounts = dict[str, Quantity]
"""Resource → how much."""

NONE = Quantity(Fraction(0), "decimal")
POD_LEVEL = ("cpu", "memory")
"""Resources that ``spec.resources`` of a pod speaks of."""


def read(listed: Mapping[str, object] | None) -> Amounts:
    """Quantities of an object."""
    return {name: parse(str(value)) for name, value in (listed or {}).items()}


def written(amounts: Amounts) -> dict[str, str]:
    """Amounts as an object has them."""
    return {name: str(value) for name, value in sorted(amounts.items())}


def count(number: int) -> Quantity:
    """So many objects."""
    return Quantity(Fraction(number), "decimal")


def plus(one: Quantity, other: Quantity) -> Quantity:
    """The sum, written as the first is; as the second where the first is nothing."""
    return Quantity(one.value + other.value, one.style if one.value else other.style)


def total(parts: Iterable[Amounts]) -> Amounts:
    """The sum of several."""
    amounts: Amounts = {}
    for part in parts:
        for name, value in part.items():
            amounts[name] = plus(amounts[name], value) if name in amounts else value
    return amounts


def greatest(one: Amounts, other: Amounts) -> Amounts:
    """Of each resource the greater amount."""
    amounts = dict(one)
    for name, value in other.items():
        if name not in amounts or value.value > amounts[name].value:
            amounts[name] = value
    return amounts


def of_pod(spec: Object, kind: str = "requests") -> Amounts:
    """What a pod asks for: its containers and sidecars together, or the greatest of its init containers.

    What ``spec.resources`` says of the pod as a whole counts instead. ``overhead`` is not in it.
    """

    def own(container: Object) -> Amounts:
        return read((container.get("resources") or {}).get(kind))

    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars = total([sidecars, own(container)])
            most = greatest(most, sidecars)
        else:
            most = greatest(most, total([own(container), sidecars]))
    amounts = greatest(total([*map(own, spec.get("containers") or []), sidecars]), most)
    whole = read((spec.get("resources") or {}).get(kind))
    return {**amounts, **{name: value for name, value in whole.items() if name in POD_LEVEL}}


def with_overhead(spec: Object, amounts: Amounts) -> Amounts:
    """The amounts with what running the pod costs besides."""
    return total([amounts, read(spec.get("overhead"))])
