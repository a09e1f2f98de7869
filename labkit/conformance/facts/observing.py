"""Fact 35: what proxies count and write down of the requests that went through them."""

from collections import Counter
from collections.abc import Mapping

from labkit.base import waiting
from labkit.conformance.facts import clients, pages
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import NAMESPACE, B, Ground
from labkit.conformance.facts.routing import NET
from labkit.install import istio
from labkit.kube import resources
from labkit.telemetry import graph, quiet

LOADS = 60
"""Pages that are loaded, four at a time."""

COUNTED_WITHIN = 15.0
WRITTEN_WITHIN = 75.0
"""Seconds: a connection that was open before logs were switched on leaves no line, in Istio for up to 45 s."""
HTTPBIN = "httpbin.{}.svc.cluster.local".format


def _metrics_and_logs(ground: Ground, checks: Checks) -> None:
    ground.deploy("httpbin/httpbin.yaml")
    ground.rules(*B, f"{NET}/virtual-service-reviews-50-v3.yaml", "access-logs.yaml")
    clients.until_settled(ground, {"v1": 50, "v3": 50})
    # The called proxy counts a request a moment after its caller has the answer.
    before = quiet.at_rest(lambda: _counted(ground))
    answers = pages.load_many(ground, count=LOADS)
    checks.equal("pages with status 200", sum(page.status == 200 for page in answers), LOADS)
    shown = Counter(page.version for page in answers)
    asked = {
        "productpage, at the caller": LOADS,
        "productpage, at the called": LOADS,
        "reviews v3, at the caller": shown["v3"],
        "reviews v3, at the called": shown["v3"],
    }

    def more() -> Mapping[str, int]:
        return {name: count - before[name] for name, count in _counted(ground).items()}

    waiting.until(
        lambda: more() == asked,
        what="the metrics of the last request",
        timeout=COUNTED_WITHIN,
        next_step="compare istio_requests_total of the pods with what was sent",
        show=lambda _: str(more()),
    )
    for name, count in more().items():
        checks.equal(f"{name} +", count, asked[name])
    _lines(ground, checks)


def _counted(ground: Ground) -> dict[str, int]:
    """Requests with status 200 by service and reporter, over all proxies."""
    totals = Counter[str]()
    for sample in _samples(ground):
        labels = sample.labels
        if labels.get("destination_service_namespace") != NAMESPACE or labels.get("response_code") != "200":
            continue
        service, version = labels.get("destination_service_name"), labels.get("destination_version")
        who = {"source": "at the caller", "destination": "at the called"}.get(labels.get("reporter", ""), "")
        if service == "productpage":
            totals[f"productpage, {who}"] += int(sample.value)
        elif service == "reviews" and version == "v3":
            totals[f"reviews v3, {who}"] += int(sample.value)
    return {f"{name}, {who}": totals[f"{name}, {who}"] for name in ("productpage", "reviews v3") for who in _ENDS}


_ENDS = ("at the caller", "at the called")


def _samples(ground: Ground) -> list[graph.Sample]:
    listed = [*ground.api.list(resources.PODS, NAMESPACE), *ground.api.list(resources.PODS, istio.NAMESPACE)]
    samples: list[graph.Sample] = []
    for pod in listed:
        place = f"/api/v1/namespaces/{resources.namespace_of(pod)}/pods/{resources.name_of(pod)}:15020"
        code, _, body = ground.api.raw("GET", f"{place}/proxy/stats/prometheus?filter=istio_requests_total")
        if code == 200:
            samples += [s for s in graph.samples(body.decode()) if s.name == "istio_requests_total"]
    return samples


def _lines(ground: Ground, checks: Checks) -> None:
    """A request from curl to httpbin leaves a line at both proxies."""
    mark = "/anything/fact-35"

    def line_after_a_request(pod: str) -> str:
        clients.status(ground, f"httpbin:8000{mark}")
        return _line(ground, pod, mark)

    checks.equal("curl", clients.status(ground, f"httpbin:8000{mark}"), "200")
    host = HTTPBIN(NAMESPACE)
    for pod, asked in (
        ("curl", [f"outbound|8000||{host}"]),
        ("httpbin", ["inbound|80", f"outbound_.8000_._.{host}"]),
    ):
        line = waiting.until(
            lambda pod=pod: line_after_a_request(pod),  # type: ignore[misc]
            what=f"the line of a request in the access log of {pod}",
            timeout=WRITTEN_WITHIN,
            next_step=f"kubectl -n {NAMESPACE} logs deploy/{pod} -c istio-proxy",
            every=0.5,
        )
        for text in asked:
            checks.see(f"{pod}'s line has {text}", text in line)


def _line(ground: Ground, pod: str, mark: str) -> str:
    printed = ground.kubectl.run(["logs", f"deploy/{pod}", "-c", "istio-proxy", "--tail=50"]).out
    return next((line for line in printed.splitlines() if mark in line), "")


FACTS = (
    Fact(
        number=35,
        sentence="Proxies count every request, at both ends, and write a line of it.",
        asked=f"{LOADS} pages: +{LOADS} for productpage at both reporters, reviews v3 + the pages that show v3; "
        "the cluster's name in the client's line, inbound and the SNI in the server's",
        measure=_metrics_and_logs,
    ),
)
