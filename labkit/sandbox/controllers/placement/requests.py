"""What pods ask of a node: processor, memory, storage, host ports."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import quantities

Amounts = dict[str, Fraction]
"""Resource → how much."""

ALWAYS = ("cpu", "memory", "ephemeral-storage")
ANY_ADDRESS = "0.0.0.0"


def amounts(listed: Mapping[str, object] | None) -> Amounts:
    """Quantities as numbers."""
    return {name: quantities.parse(str(value)).value for name, value in (listed or {}).items()}


def of_pod(spec: Object, kind: str = "requests") -> Amounts:
    """What a pod asks for: its containers and sidecars together, or the greatest of its init containers.

    What ``spec.resources`` says of the pod as a whole counts instead, and ``overhead`` comes on top.
    """
    total: Amounts = {}
    for container in spec.get("containers") or []:
        _add(total, amounts((container.get("resources") or {}).get(kind)))
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or []:
        own = amounts((container.get("resources") or {}).get(kind))
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            own = dict(sidecars)
        else:
            _add(own, sidecars)
        most = _greater(most, own)
    _add(total, sidecars)
    total = _greater(total, most)
    total |= amounts((spec.get("resources") or {}).get(kind))
    if kind == "requests" or total:
        _add(total, amounts(spec.get("overhead")))
    return total


def of_pods(specs: Iterable[Object]) -> Amounts:
    """What several pods ask for together."""
    total: Amounts = {}
    for spec in specs:
        _add(total, of_pod(spec))
    return total


def lacking(spec: Object, there: Iterable[Object], allocatable: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """(reason, whether the whole node would not do) for each resource that a node has too little of."""
    others, capacity = list(there), amounts(allocatable)
    if len(others) + 1 > capacity.get("pods", Fraction(0)):
        yield "Too many pods", False
    used = of_pods(others)
    for name, asked in _in_order(of_pod(spec)):
        has = capacity.get(name, Fraction(0))
        if asked > 0 and asked > has - used.get(name, Fraction(0)):
            yield f"Insufficient {name}", asked > has


def _in_order(asked: Amounts) -> list[tuple[str, Fraction]]:
    first = [(name, asked[name]) for name in ALWAYS if name in asked]
    return [*first, *((name, value) for name, value in asked.items() if name not in ALWAYS)]


def _add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Fraction(0)) + value


def _greater(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in {**one, **other}}


def host_ports(spec: Object) -> set[tuple[str, str, int]]:
    """(address, protocol, port) of every port on the node that a pod takes."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {
        (port.get("hostIP") or ANY_ADDRESS, port.get("protocol", "TCP"), port["hostPort"])
        for container in containers
        if container in (spec.get("containers") or []) or container.get("restartPolicy") == "Always"
        for port in container.get("ports") or []
        if port.get("hostPort")
    }


def ports_clash(spec: Object, others: Iterable[Object]) -> bool:
    """Whether a port on the node is taken; the address for all clashes with every other."""
    own = host_ports(spec)
    taken = set().union(*map(host_ports, others)) if own else set()
    return any(a[1:] == b[1:] and (a[0] == b[0] or ANY_ADDRESS in (a[0], b[0])) for a in own for b in taken)
