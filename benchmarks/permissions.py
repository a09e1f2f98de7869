"""From applying an AuthorizationPolicy to the first refusal on a warm connection; and what ten policies cost."""

import http.client
import statistics
import time
from urllib.parse import urlsplit

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit import traffic
from labkit.clusters import cluster
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.lab import Lab
from labkit.traffic import results as traffic_results

TRIALS = 40
WITHIN = 400.0
"""Milliseconds; a real mesh takes 260 to 400 to the same moment."""

EVERY = 0.0005
"""Seconds between two looks."""

LONGEST = 10.0
"""Seconds after which a trial counts as failed."""

PAUSE = 0.2
"""Seconds between trials, so that each is a change of its own."""

POLICIES, ROUNDS, SECONDS = 10, 3, 3.0
SHARE = 0.9
PATH = "/api/v1/products"
REFUSED = 403


def measure(lab: PrivateLab) -> list[result.Result]:
    """Both, on the product page's sidecar."""
    course = Lab(cluster.of_sandbox(lab.paths.kubeconfig))
    return [_until_refused(course), _cost(course)]


def _policy(name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _until_refused(course: Lab) -> result.Result:
    link = http.client.HTTPConnection(urlsplit(course.url()).netloc, timeout=10)
    times = []
    try:
        for _ in range(TRIALS):
            _until(link, 200)
            start = time.perf_counter()
            course.api.apply(resources.AUTHORIZATION_POLICIES, _policy("bench-nothing", {}))
            _until(link, REFUSED)
            times.append(1000 * (time.perf_counter() - start))
            course.api.delete(resources.AUTHORIZATION_POLICIES, "bench-nothing", "default")
            time.sleep(PAUSE)
    finally:
        link.close()
        course.api.delete(resources.AUTHORIZATION_POLICIES, "bench-nothing", "default")
    note = f"99th percentile {result.number(traffic_results.percentile(times, 99))}"
    return result.median("policy applied to the first refusal, warm", times, unit="ms", at_most=WITHIN, note=note)


def _until(link: http.client.HTTPConnection, status: int) -> None:
    end = time.perf_counter() + LONGEST
    while time.perf_counter() < end:
        link.request("GET", PATH)
        with link.getresponse() as answer:
            answer.read()
            if answer.status == status:
                return
        time.sleep(EVERY)
    raise TimeoutError(f"no answer with {status} within {LONGEST:g} s")


def _cost(course: Lab) -> result.Result:
    """Requests a second with ten policies as a share of none, each measured in turn."""
    allowed = [{"to": [{"operation": {"methods": ["GET"], "paths": ["/api/*", "/productpage"]}}]}]
    policies = [
        _policy(f"bench-{n}", {"action": "DENY" if n % 2 else "ALLOW", "rules": _denied(n) if n % 2 else allowed})
        for n in range(POLICIES)
    ]
    shares = []
    for _ in range(ROUNDS):
        without = _rate(course)
        course.apply(policies, quiet=True)
        shares.append(_rate(course) / without)
        course.delete(policies, quiet=True)
    note = f"{POLICIES} policies of the product page, {ROUNDS} rounds"
    return result.Result(
        name="requests/s with ten policies, share of none", value=statistics.median(shares), at_least=SHARE, note=note
    )


def _denied(number: int) -> list[Object]:
    account = f"cluster.local/ns/default/sa/stranger-{number}"
    return [{"from": [{"source": {"principals": [account]}}], "to": [{"operation": {"paths": [f"/secret/{number}"]}}]}]


def _rate(course: Lab) -> float:
    sent = traffic.collect(traffic.Load(url=course.url(), path=PATH, duration=SECONDS, rate=None))
    return sum(one.status == 200 for one in sent) / SECONDS
