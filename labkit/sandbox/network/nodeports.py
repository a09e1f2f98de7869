"""Node ports that another program took while the sandbox was down.

Kubernetes never moves a node port. On a node it need not: there they are its own. On a learner's machine any program
may listen there by now, and the gateway's Envoy would refuse its whole listener. So at a start, before any pod
listens, ports of load balancers that are taken get another number; those of NodePort Services, which somebody may
have chosen, stay and are tried again.
"""

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

from labkit.kube.resources import Object

FIRST, LAST = 30000, 32767

IsFree = Callable[[int], bool]


def moves(service: Object, used: Collection[int], *, is_free: IsFree) -> Mapping[int, int]:
    """Old and new number of each port of a load balancer that is taken: ``{30080: 31234}``."""
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer":
        return {}
    new_ports: dict[int, int] = {}
    for port in spec.get("ports") or []:
        number = port.get("nodePort")
        if number and not is_free(number):
            new_ports[number] = _free({*used, *new_ports.values()}, is_free)
    return {old: new for old, new in new_ports.items() if new}


def _free(used: Collection[int], is_free: IsFree) -> int:
    """A number that is neither another Service's nor taken; 0 when there is none."""
    numbers = random.sample(range(FIRST, LAST + 1), LAST - FIRST + 1)
    return next((n for n in numbers if n not in used and is_free(n)), 0)


def used_by(services: Collection[Object]) -> set[int]:
    """Every node port of these Services."""
    return {p["nodePort"] for s in services for p in s["spec"].get("ports") or [] if p.get("nodePort")}


def patch(service: Object, moved: Mapping[int, int]) -> dict[str, Any]:
    """The merge patch that carries the moves out."""
    ports = [{**p, "nodePort": moved.get(p.get("nodePort"), p.get("nodePort"))} for p in service["spec"]["ports"]]
    return {"spec": {"ports": ports}}
