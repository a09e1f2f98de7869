"""Facts 21 and 22: a circuit breaker, and a mirror."""

import re

from labkit.base import waiting
from labkit.conformance.facts import clients
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import NAMESPACE, Ground

HTTPBIN, FORTIO = "httpbin/httpbin.yaml", "httpbin/sample-client/fortio-deploy.yaml"
URL = "http://httpbin:8000/get"
CALLS = 200
"""For each number of connections. How many of them are refused depends on Envoy's threads: a pool of each
thread may have one connection, and a sandbox's Envoy has one thread where Istio's has two."""

V2 = "app=httpbin,version=v2"

AT_ONCE = 6
"""Requests of half a second that are sent together: one is carried, one waits, the rest is refused."""


def _breaker(ground: Ground, checks: Checks) -> None:
    ground.deploy(HTTPBIN, FORTIO)
    ground.rules("circuit-breaker.yaml")
    before = _overflows(ground)
    two, three = (clients.fortio(ground, "-c", str(n), "-qps", "0", "-n", str(CALLS), URL) for n in (2, 3))
    checks.see(f"two connections: {_words(two)}", two.get("200", 0) > 0 and sum(two.values()) == CALLS)
    checks.see(f"three: {_words(three)}", three.get("503", 0) > two.get("503", 0))
    overflows = _overflows(ground) - before
    # fortio's own warm-up may be refused too, and is in no count of its.
    checks.see(f"{overflows} overflows counted", overflows >= two.get("503", 0) + three.get("503", 0) > 0)
    each = "curl -s -o /dev/null -D - http://httpbin:8000/delay/0.5 & "
    heads = clients.execute(ground, "deploy/curl", "curl", "sh", "-c", each * AT_ONCE + "wait").out.lower()
    refused = len(re.findall(r"^http/1\.1 503", heads, re.MULTILINE))
    marked = len(re.findall(r"^x-envoy-overloaded: true", heads, re.MULTILINE))
    checks.see(f"{refused} of {AT_ONCE} at once refused, {marked} marked x-envoy-overloaded", 0 < refused == marked)
    waiting.until(
        lambda: clients.logged(ground, "app=curl", "istio-proxy", " 503 UO "),
        what="the flag UO in the client's access log",
        timeout=clients.LIVE_WITHIN,
        next_step=f"kubectl -n {NAMESPACE} logs deploy/curl -c istio-proxy",
    )
    checks.see("access log says UO", True)


def _overflows(ground: Ground) -> int:
    stats = clients.admin(ground, "deploy/fortio-deploy", "stats?filter=httpbin.*upstream_rq_pending_overflow")
    numbers = re.findall(r"outbound\|8000\|\|httpbin\.[^:]*upstream_rq_pending_overflow: (\d+)", stats)
    return sum(map(int, numbers))


def _words(codes: object) -> str:
    return str(codes).strip("{}").replace("'", "")


def _mirror(ground: Ground, checks: Checks) -> None:
    ground.deploy(HTTPBIN, "httpbin-v2.yaml")
    ground.rules("httpbin-v1.yaml")
    checks.equal("v2 sees before", _seen_by_v2(ground, checks, is_copied=False), 0)
    ground.rules("httpbin-mirror.yaml")
    checks.equal("v2 sees with the mirror", _seen_by_v2(ground, checks, is_copied=True), 1)


def _seen_by_v2(ground: Ground, checks: Checks, *, is_copied: bool) -> int:
    """One request; how often v2 sees it, once v2 has logged a later one of its own."""
    word, last = clients.token(), clients.token()
    body = clients.curl(ground, f"http://httpbin:8000/hostname?fact={word}").out
    checks.see("v1 answers", body.count("hostname") == 1 and clients.pod(ground, V2) not in body)
    clients.until_logged(ground, "app=httpbin,version=v1", "httpbin", word)
    clients.status(ground, f"http://httpbin-v2:8000/status/200?fact={last}")
    clients.until_logged(ground, V2, "httpbin", last)
    if is_copied:  # on a connection of its own, so perhaps later than the one that was sent after it
        clients.until_logged(ground, V2, "httpbin", word)
    return clients.logged(ground, V2, "httpbin", word)


FACTS = (
    Fact(
        number=21,
        sentence="A circuit breaker of one connection and one waiting request refuses what is more.",
        asked="three connections more 503 than two; the overflow counter, x-envoy-overloaded and UO say so",
        measure=_breaker,
    ),
    Fact(
        number=22,
        sentence="A mirror gets every request, and its answers reach nobody.",
        asked="v1 answers; v2 sees 0, then 1",
        measure=_mirror,
    ),
)
