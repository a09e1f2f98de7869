"""Lesson 09, faults, timeouts and retries: how long it takes, what comes of it, how often it is tried."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests, resources

REVIEWS = "/api/v1/products/0/reviews"
HTTPBIN = "http://httpbin:8000"

LATE = 1.9, 2.9
"""Seconds of an answer that is two seconds late; from three on productpage gives up."""

AT_ONCE = 1.0
"""Seconds that an answer without a fault never needs."""

LIMIT = 0.4, 1.0
"""Seconds after which a limit of half a second shows, on a slow machine too."""


def late_for_jason(evidence: Evidence) -> Verdict:
    """Whether the reviews are two seconds late for jason, and for nobody else."""
    expected = "jason: 200 after 2 s; others: 200 at once"
    seen = {who: _reviews(evidence, user) for who, user in (("jason", "jason"), ("mary", "mary"), ("others", ""))}
    observed = "; ".join(f"{who}: {status} after {seconds:.1f} s" for who, (status, seconds) in seen.items())
    (status, seconds), *rest = seen.values()
    others = max(rest, key=lambda answer: answer[1])
    if any(answer[0] != 200 for answer in rest):
        cause = "others do not get their reviews at all"
    elif others[1] > AT_ONCE:
        cause = "the delay has no match on jason: it is everybody's"
    elif status != 200:
        cause = "jason's delay is longer than the three seconds that productpage waits"
    elif seconds < LATE[0]:
        cause = _why_never(evidence.resource(resources.VIRTUAL_SERVICES, "ratings"))
    elif seconds > LATE[1]:
        cause = "the delay is longer than two seconds"
    else:
        return verdict.passed(expected, observed)
    return verdict.not_yet(expected, observed, cause=cause)


def _reviews(evidence: Evidence, user: str) -> tuple[int, float]:
    """Status and seconds of the first that failed, else of the slowest of three."""
    frame = evidence.send(REVIEWS, count=3, user=user)
    worst = frame.sort_values(["status", "latency_ms"]).iloc[-1]
    return int(worst["status"]), float(worst["latency_ms"]) / 1000


def _why_never(rule: Mapping[str, Any] | None) -> str:
    faults = [entry["fault"] for entry in _http(rule) if entry.get("fault")]
    if not faults:
        return "no VirtualService ratings has a fault"
    delays = [fault["delay"] for fault in faults if fault.get("delay")]
    if not delays:
        return "the fault is no delay"
    if not any(delay.get("percentage", {}).get("value") or delay.get("percent") for delay in delays):
        return "a fault without a percentage is never injected"
    return "the rule with the delay does not fit jason, or the delay is shorter"


def gives_up(evidence: Evidence) -> Verdict:
    """Whether callers of httpbin wait for half a second, and get what is quicker."""
    expected = "/delay/2: 504 after 0.5 s; /get: 200"
    slow, quick = evidence.curl(f"{HTTPBIN}/delay/2"), evidence.curl(f"{HTTPBIN}/get")
    observed = f"/delay/2: {slow.status} after {slow.seconds:.1f} s; /get: {quick.status}"
    entries = _http(evidence.resource(resources.VIRTUAL_SERVICES, "httpbin"))
    if quick.status != 200:
        cause = "a limit must not touch what is quick"
    elif slow.status == 504 and LIMIT[0] <= slow.seconds <= LIMIT[1]:
        return verdict.passed(expected, observed)
    elif not entries:
        cause = "there is no VirtualService httpbin, and without a rule there is no limit"
    elif slow.status == 504 and any((entry.get("retries") or {}).get("perTryTimeout") for entry in entries):
        cause = "perTryTimeout bounds each attempt, and there are several; timeout bounds them all"
    elif slow.status == 504:
        cause = "the limit is not half a second"
    else:
        cause = "the rule has no timeout, or a longer one than httpbin needs"
    return verdict.not_yet(expected, observed, cause=cause)


def tries(evidence: Evidence) -> Verdict:
    """Whether 503 is tried three times in all, and 500 once."""
    expected = "/status/503: 3 attempts; /status/500: 1"
    many, one = _attempts(evidence, "/status/503"), _attempts(evidence, "/status/500")
    observed = f"/status/503: {many}; /status/500: {one}"
    entries = _http(evidence.resource(resources.VIRTUAL_SERVICES, "httpbin"))
    said = "; ".join(_policy(entry.get("retries")) for entry in entries)
    if (many, one) == (3, 1):
        return verdict.passed(expected, observed)
    if not said:
        cause = "there is no VirtualService httpbin, and by itself Istio does not retry an answer"
    elif one > 1:
        cause = f"500 is tried again too ({said})"
    elif many == 1:
        cause = f"503 is not among what is tried again ({said})"
    else:
        cause = f"attempts counts what comes after the first one ({said})"
    return verdict.not_yet(expected, observed, cause=cause)


def _attempts(evidence: Evidence, path: str) -> int:
    before = evidence.logged("httpbin", path)
    evidence.curl(f"{HTTPBIN}{path}")
    return evidence.logged("httpbin", path) - before


def _policy(retries: Mapping[str, Any] | None) -> str:
    if not retries:
        return "no retries"
    return f"attempts {retries.get('attempts', '?')}, retryOn {retries.get('retryOn', 'as Istio has it')}"


def _http(rule: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list(((rule or {}).get("spec") or {}).get("http") or [])


def _rules(name: str, *http: Mapping[str, Any]) -> str:
    """Rules of a host, all to its one version."""
    destination = {"route": [{"destination": {"host": name}}]}
    return manifests.dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name},
            "spec": {"hosts": [name], "http": [{**entry, **destination} for entry in http]},
        }
    )


def _late(seconds: int, *, user: str = "jason", **more: object) -> Mapping[str, Any]:
    """A delay; for everybody when there is no user."""
    fault = {"fault": {"delay": {"fixedDelay": f"{seconds}s", **more}}}
    return {"match": [{"headers": {"end-user": {"exact": user}}}], **fault} if user else fault


ALWAYS = {"value": 100}

EXERCISES = (
    Exercise(
        id="09-1",
        task="Everybody gets reviews v2. Make the reviews of jason two seconds late, and nobody else's.",
        done_when="jason's reviews come whole after two seconds, and those of all others at once",
        check=late_for_jason,
        given=("destination-rules.yaml", "reviews-0-100.yaml"),
        hints=(
            "Who is asked by reviews v2? Make that one late.",
            "A VirtualService ratings: a rule for jason with a fault, and one for the rest.",
            "manifests/ratings-delay-2s.yaml is one way.",
        ),
        solution=_rules("ratings", _late(2, percentage=ALWAYS), {}),
        wrong=(
            Wrong(why="everybody", yaml=_rules("ratings", _late(2, user="", percentage=ALWAYS)), says="everybody's"),
            Wrong(why="no percentage", yaml=_rules("ratings", _late(2), {}), says="is never injected"),
            Wrong(
                why="a capital letter",
                yaml=_rules("ratings", _late(2, user="Jason", percentage=ALWAYS), {}),
                says="does not fit jason",
            ),
            Wrong(
                why="too late", yaml=_rules("ratings", _late(4, percentage=ALWAYS), {}), says="longer than the three"
            ),
        ),
    ),
    Exercise(
        id="09-2",
        task="httpbin needs two seconds for /delay/2. Let its callers wait for half a second and no longer.",
        done_when="/delay/2 is answered with 504 after half a second, and /get as before",
        check=gives_up,
        hints=(
            "A limit belongs to a rule, so httpbin needs a VirtualService.",
            "timeout stands beside route.",
            "In manifests/httpbin-retries.yaml the line with retries becomes timeout: 0.5s.",
        ),
        solution=_rules("httpbin", {"timeout": "0.5s"}),
        wrong=(
            Wrong(why="too patient", yaml=_rules("httpbin", {"timeout": "5s"}), says="a longer one"),
            Wrong(
                why="each attempt",
                yaml=_rules("httpbin", {"retries": {"attempts": 2, "perTryTimeout": "0.5s", "retryOn": "5xx"}}),
                says="bounds each attempt",
            ),
            Wrong(
                why="a fault instead",
                yaml=_rules("httpbin", {"fault": {"abort": {"httpStatus": 504, "percentage": ALWAYS}}}),
                says="must not touch what is quick",
            ),
        ),
    ),
    Exercise(
        id="09-3",
        task="Let httpbin's 503 be tried again, twice, and no other status.",
        done_when="/status/503 makes three attempts, and /status/500 makes one",
        check=tries,
        hints=(
            "attempts counts what comes after the first one.",
            "retryOn takes words such as 5xx, and single statuses too.",
            'retries: {attempts: 2, retryOn: "503"}',
        ),
        solution=_rules("httpbin", {"retries": {"attempts": 2, "retryOn": "503"}}),
        wrong=(
            Wrong(
                why="one too many",
                yaml=_rules("httpbin", {"retries": {"attempts": 3, "retryOn": "503"}}),
                says="after the first one (attempts 3",
            ),
            Wrong(
                why="every error",
                yaml=_rules("httpbin", {"retries": {"attempts": 2, "retryOn": "5xx"}}),
                says="500 is tried again too",
            ),
            Wrong(
                why="nothing said",
                yaml=_rules("httpbin", {"retries": {"attempts": 2}}),
                says="503 is not among",
            ),
        ),
    ),
)
