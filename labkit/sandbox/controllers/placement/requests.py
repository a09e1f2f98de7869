"""What pods ask of a node: processor, memory, storage, host ports."""

from collections.abc import Iterable, Iterator, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import amounts
from labkit.sandbox.apiserver.amounts import Amounts
from labkit.sandbox.apiserver.objects.quantities import Quantity

ALWAYS = ("cpu", "memory", "ephemeral-storage")
ANY_ADDRESS = "0.0.0.0"


def of_pod(spec: Object) -> Amounts:
    """What a pod takes of a node."""
    return amounts.with_overhead(spec, amounts.of_pod(spec))


def lacking(spec: Object, there: Iterable[Object], allocatable: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """(reason, whether the whole node would not do) for each resource that a node has too little of."""
    others, capacity = list(there), amounts.read(allocatable)
    if len(others) + 1 > capacity.get("pods", amounts.NONE).value:
        yield "Too many pods", False
    used = amounts.total(map(of_pod, others))
    for name, asked in _in_order(of_pod(spec)):
        has = capacity.get(name, amounts.NONE).value
        if asked.value > 0 and asked.value > has - used.get(name, amounts.NONE).value:
            yield f"Insufficient {name}", asked.value > has


def _in_order(asked: Amounts) -> list[tuple[str, Quantity]]:
    first = [(name, asked[name]) for name in ALWAYS if name in asked]
    return [*first, *((name, value) for name, value in asked.items() if name not in ALWAYS)]


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
