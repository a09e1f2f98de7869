"""What one changed VirtualService costs istiod, beside ten, a hundred and a thousand others.

The same translator, encoder and bookkeeping as istiod's, in this process, from the objects to the resources that 8
sidecars and a gateway are sent. Processor time without a network: the ratio between sizes holds on any machine.
"""

import time

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.kube.resources import Object
from labkit.mesh import model, sandboxed
from labkit.sandbox.istiod import authority, identities, publishing, session

SIZES = (10, 100, 1000)
SIDECARS = 8
FIRST, CHANGES = 3, 40
"""Changes that are not counted, as all is made for the first time, and those that are: one of each size in turn, so
that a slow moment of the machine hits all sizes."""

BAR = 3.0
"""Times as much with 1,000 as with 10: a hundred times the objects, which have to be found to be the same, and a route
table that has to be joined from as many virtual hosts."""


RULES = "virtualservices.networking.istio.io"

GATEWAY = model.Proxy(
    name="gateway",
    namespace="istio-system",
    role="router",
    ip="127.66.9.100",
    labels={"istio": "ingressgateway"},
    place=sandboxed.Place(ip="127.66.9.100", node_ip="127.0.0.1"),
)


def measure(lab: PrivateLab) -> list[result.Result]:
    """Milliseconds for each size, and the ratio of the largest to the smallest in each round."""
    meshes = {size: _Mesh(size) for size in SIZES}
    rounds = [{size: 1000 * mesh.change() for size, mesh in meshes.items()} for _ in range(FIRST + CHANGES)][FIRST:]
    rows = [
        result.median(f"one change among {size} VirtualServices", [each[size] for each in rounds], unit="ms")
        for size in SIZES
    ]
    ratios = [each[SIZES[-1]] / each[SIZES[0]] for each in rounds]
    return [*rows, result.median("1,000 VirtualServices beside 10", ratios, unit="×", at_most=BAR)]


class _Mesh:
    """So many Services with a VirtualService each, and the proxies that are told of them."""

    def __init__(self, size: int) -> None:
        self._objects = _objects(size)
        self._streams = [_Stream(proxy) for proxy in (GATEWAY, *map(_proxy, range(SIDECARS)))]
        self._publication = publishing.Publication(identities.Identities(authority.Authority.new()))
        self._changes = 0

    def __repr__(self) -> str:
        return f"_Mesh({len(self._objects[RULES])} VirtualServices, {self._changes} changes)"

    def change(self) -> float:
        """Seconds from a changed object to bytes for every sidecar."""
        rules = [_virtual_service(0, weight=self._changes), *self._objects[RULES][1:]]
        self._objects = {**self._objects, RULES: rules}
        began = time.process_time()
        self._publication.renew(self._objects, {})
        sent = sum([stream.push(self._publication) for stream in self._streams])
        took = time.process_time() - began
        if self._changes and sent != SIDECARS:
            raise RuntimeError(f"a change went to {sent} proxies, not to {SIDECARS} sidecars")
        self._changes += 1
        return took


class _Stream:
    """One proxy, and what it has been sent."""

    def __init__(self, proxy: model.Proxy) -> None:
        self._proxy = proxy
        self._subscriptions = {kind: session.Subscription(wildcard=True) for kind in session.ORDER}

    def push(self, publication: publishing.Publication) -> bool:
        """Whether anything had to be sent."""
        held = publication.resources_for(self._proxy)
        updates = [self._send(kind, held[kind]) for kind in session.ORDER]
        return any(updates)

    def _send(self, kind: str, held: session.Resources) -> bool:
        subscription = self._subscriptions[kind]
        update = session.update(kind, held, subscription)
        subscription.settled = held
        if update is not None:
            session.record(subscription, update, nonce="", push=0)
        return update is not None


def _objects(size: int) -> dict[str, list[Object]]:
    return {
        "namespaces": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}],
        "services": [_service(number) for number in range(size)],
        RULES: [_virtual_service(number) for number in range(size)],
    }


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": "default", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}


def _service(number: int) -> Object:
    spec = {"clusterIP": f"10.97.{number // 250}.{number % 250 + 1}", "ports": [{"name": "http", "port": 9080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(f"shop-{number}"), "spec": spec}


def _virtual_service(number: int, *, weight: int = 0) -> Object:
    name = f"shop-{number}"
    header = {"match": [{"headers": {"x-change": {"exact": str(weight)}}}], "route": [{"destination": {"host": name}}]}
    spec = {"hosts": [name], "http": [header, {"route": [{"destination": {"host": name}}]}]}
    version = {"resourceVersion": str(weight + 1)}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": _metadata(name) | version,
        "spec": spec,
    }


def _proxy(number: int) -> model.Proxy:
    return model.Proxy(
        name=f"client-{number}",
        namespace="default",
        role="sidecar",
        ip=f"127.66.9.{number + 1}",
        place=sandboxed.Place(ip=f"127.66.9.{number + 1}"),
        labels={"app": f"client-{number}"},
    )
