"""Two hundred new certificates of Bookinfo's proxies under 200 requests a second: none may fail."""

import json
import time

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit import traffic
from labkit.base import waiting
from labkit.clusters import cluster
from labkit.kube import resources
from labkit.lab import Lab

ROTATIONS, RATE = 200, 200.0
WORKERS = 32
"""Connections of the load: enough that none waits for another while a request takes as long as a handshake more."""

HELD = 0.97
"""Of the rate, below which the load counts as not held."""

LIFE = "2s"
"""Of each certificate: its proxy gets the next one within a second."""

PATH = "/api/v1/products/0/ratings"
"""Through three proxies: gateway, productpage and ratings."""

ANNOTATION = {"proxy.istio.io/config": f"proxyMetadata: {{SECRET_TTL: {LIFE}}}"}
FRESH = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
"""Every request has a connection of its own, so that it meets the newest certificates."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """Requests that failed, out of all."""
    course = Lab(cluster.of_sandbox(lab.paths.kubeconfig))
    patch = json.dumps({"spec": {"template": {"metadata": {"annotations": ANNOTATION}}}})
    names = [resources.name_of(d) for d in course.api.list(resources.DEPLOYMENTS, "default")]
    for name in names:
        course.kubectl(f"patch deployment {name} -p '{patch}'")
    course.wait(*names)
    course.apply([_rule(host) for host in ("productpage", "ratings")], quiet=True)
    results: list[traffic.Sent] = []
    view, began = course.certificates(), time.monotonic()
    stream = traffic.stream(traffic.Load(url=course.url(), path=PATH, rate=RATE, workers=WORKERS), results.extend)
    try:
        waiting.until(
            lambda: view.look().rotations >= ROTATIONS,
            what=f"{ROTATIONS} rotations",
            timeout=300,
            next_step="kubectl -n istio-system logs deploy/istiod",
            every=0.5,
            show=lambda _: f"{view.rotations} rotations",
        )
    finally:
        stream.stop()
    failed = sum(sent.status != 200 for sent in results)
    spent = time.monotonic() - began
    note = f"{view.rotations} rotations seen, {len(results)} requests in {spent:.0f} s, each on a new connection"
    return [
        result.Result(name="requests that failed while certificates rotate", value=failed, at_most=0, note=note),
        result.Result(name="requests/s meanwhile", value=len(results) / spent, at_least=RATE * HELD),
    ]


def _rule(host: str) -> dict[str, object]:
    metadata = {"name": f"{host}-fresh", "namespace": "default"}
    spec = {"host": host, "trafficPolicy": FRESH}
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata, "spec": spec}
