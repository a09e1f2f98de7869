"""Facts 32 and 33: rate limits of one proxy and of the mesh, by Istio's own samples."""

import time
from collections import Counter

from labkit.conformance.facts import clients, pages
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import NAMESPACE, B, Ground

URL = "http://productpage:9080/productpage"
LOCAL, SERVICE, ASKING = (
    "ratelimit/local-rate-limit-service.yaml",
    "ratelimit/rate-limit-service.yaml",
    "bookinfo/policy/productpage_envoy_ratelimit.yaml",
)
TRIES = 14
SEVERAL = 5
"""Further requests over an empty bucket; each connection from before the limit answers one as it was."""

WINDOW = 60


def _local(ground: Ground, checks: Checks) -> None:
    ground.rules(*B, "limit-productpage.yaml")
    first = _statuses(ground, 4 + SEVERAL)
    checks.see(f"4 tokens: {_shown(first)}", set(first) == {"200", "429"} and 4 <= first["200"] <= 6)
    then = clients.curl(ground, "-i", f"{URL}?n=[1-{SEVERAL}]").out.lower()
    checks.see("then 429 with x-local-rate-limit", "http/1.1 429" in then and "x-local-rate-limit: true" in then)
    ground.rules(*B, LOCAL)
    clients.status(ground, f"{URL}?n=[1-{SEVERAL}]")
    checks.equal("the sample names port 8000: on Bookinfo", set(_statuses(ground, TRIES)), {"200"})
    ground.rules(*B, ground.filled(LOCAL, {"inbound|http|8000": "inbound|http|9080"}))
    clients.status(ground, f"{URL}?n=[1-{SEVERAL}]")
    limited = _statuses(ground, TRIES)
    checks.see(f"with 9080, 10 by path: {_shown(limited)}", set(limited) == {"200", "429"} and limited["200"] <= 11)
    headers = clients.curl(ground, "-o", "/dev/null", "-D", "-", URL).out.lower()
    checks.see("x-ratelimit-limit is sent", "x-ratelimit-limit" in headers)


def _statuses(ground: Ground, count: int) -> Counter[str]:
    return clients.statuses(ground, f"{URL}?n=[1-{count}]")


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in sorted(counts.items()))


def _global(ground: Ground, checks: Checks) -> None:
    ground.deploy("ratelimit-config.yaml", SERVICE)
    own = {"ratelimit.default": f"ratelimit.{NAMESPACE}"}
    ground.rules(*B, ground.filled(ASKING, own))
    for path, asked in (("/productpage", [200, 429]), ("/api/v1/products/1", [200, 200, 429])):
        answered = _in_one_window(ground, path, len(asked))
        checks.equal(path, answered, asked)
    others = [pages.load(ground, f"/static/{number}").status for number in range(3)]
    checks.see("other paths are not refused", 429 not in others)


def _in_one_window(ground: Ground, path: str, count: int) -> list[int]:
    """Statuses of requests between two edges of a window: a new one forgets, so what it cut in two is asked again."""
    while True:
        window = time.time() // WINDOW
        answered = [pages.load(ground, path).status for _ in range(count)]
        if time.time() // WINDOW == window:
            return answered


FACTS = (
    Fact(
        number=32,
        sentence="A local rate limit lets as many requests pass as its bucket holds, and refuses all others.",
        asked="4 tokens: 200 × 4, then 429 with its header; the sample on port 9080 limits by path",
        measure=_local,
    ),
    Fact(
        number=33,
        sentence="A global rate limit counts by descriptor, over all proxies, in the rate limit service.",
        asked="/productpage 1 a minute: 200, 429; /api/v1/products/1 2 a minute: 200, 200, 429; others pass",
        measure=_global,
    ),
)
