"""What one changed VirtualService costs istiod to compile, beside ten, a hundred and a thousand others.

The same translator and encoder as istiod's, in this process, for 8 sidecars: no network, so the ratio between
sizes is what counts, and it holds on any machine.
"""

import time
from statistics import median

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.sandbox.xds import authority, identities, publishing

SIZES = (10, 100, 1000)
SIDECARS = 8
CHANGES = 7

BAR = 15.0
"""Times as much with 1,000 as with 10: a hundred times the objects, and a route table that has to be sent whole."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Milliseconds for each size, and the ratio of the largest to the smallest."""
    times = {size: 1000 * _change(size) for size in SIZES}
    found = [
        result.Result(name=f"one change among {size} VirtualServices", value=took, unit="ms")
        for size, took in times.items()
    ]
    ratio = times[SIZES[-1]] / times[SIZES[0]]
    return [*found, result.Result(name="1,000 VirtualServices beside 10", value=ratio, unit="×", at_most=BAR)]


def _change(size: int) -> float:
    """Seconds from a changed object to bytes for every sidecar; the median of several."""
    objects = _objects(size)
    proxies = [_proxy(number) for number in range(SIDECARS)]
    publication = publishing.Publication(identities.Identities(authority.Authority.new()))
    took = []
    for change in range(CHANGES + 1):
        objects["virtualservices.networking.istio.io"][0] = _virtual_service(0, weight=change)
        began = time.perf_counter()
        publication.renew({key: list(value) for key, value in objects.items()}, {})
        for proxy in proxies:
            publication.resources_for(proxy)
        took.append(time.perf_counter() - began)
    return median(took[1:])


def _objects(size: int) -> dict[str, list[Object]]:
    return {
        "namespaces": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}],
        "services": [_service(number) for number in range(size)],
        "virtualservices.networking.istio.io": [_virtual_service(number) for number in range(size)],
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
        app_ip=f"127.67.9.{number + 1}",
        labels={"app": f"client-{number}"},
    )
