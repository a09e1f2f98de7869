"""Requests from pods: curl, fortio and nc, run in them as a practitioner does with ``kubectl exec``."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from labkit.base import programs, waiting
from labkit.conformance.facts.ground import NAMESPACE, Ground
from labkit.kube import resources
from labkit.traffic import results

LIVE_WITHIN = 15.0
"""Seconds for a change to be seen by traffic; a sandbox needs none, since ``rules`` has waited."""

SETTLED = 20
"""Answers in a row that must be of the versions asked for before anything is counted."""

_CODES = re.compile(r"^Code +(-?\d+) : (\d+)", re.MULTILINE)


def execute(ground: Ground, pod: str, container: str, *words: str) -> programs.Output:
    """Run a command in a container; its exit code may say no."""
    return ground.kubectl.run(["exec", pod, "-c", container, "--", *words])


def curl(ground: Ground, *words: str) -> programs.Output:
    """curl in the meshed client."""
    return execute(ground, "deploy/curl", "curl", "curl", "-s", *words)


def status(ground: Ground, *words: str) -> str:
    """The status that curl got; ``000`` for none."""
    return curl(ground, "-o", "/dev/null", "-w", "%{http_code}", *words).out


def timed_status(ground: Ground, *words: str) -> tuple[str, float]:
    """The status, and how long curl says it took in seconds."""
    code, _, seconds = curl(ground, "-o", "/dev/null", "-w", "%{http_code} %{time_total}", *words).out.partition(" ")
    return code, float(seconds or 0)


def statuses(ground: Ground, *words: str) -> Counter[str]:
    """How often each status came; the URL may say ``[1-40]``."""
    return Counter(curl(ground, "-o", "/dev/null", "-w", "%{http_code}\n", *words).out.split())


@dataclass(frozen=True, kw_only=True)
class Review:
    """One answer of reviews."""

    version: str
    """``v2``; what was said instead where it is no review."""

    color: str
    """Of its stars; empty where it has none."""


def reviews(ground: Ground, count: int, *, user: str = "") -> list[Review]:
    """Answers of reviews to the meshed client, one connection for all: each request is routed anew."""
    header = ["-H", f"end-user: {user}"] if user else []
    lines = curl(ground, "-w", "\n", *header, f"http://reviews:9080/reviews/[1-{count}]").out.splitlines()
    return [_review(line) for line in lines if line]


def _review(line: str) -> Review:
    try:
        given = json.loads(line)["reviews"]
        ratings = [review.get("rating") or {} for review in given]
    except (ValueError, KeyError, TypeError, AttributeError):
        return Review(version=line[:60], color="")
    color = next((str(rating["color"]) for rating in ratings if "color" in rating), "")
    return Review(version=results.served_by(line.encode())[0], color=color)


def counts(reviews: Collection[Review]) -> Mapping[str, int]:
    """Answers by version."""
    return Counter(review.version for review in reviews)


def until_settled(ground: Ground, versions: Collection[str]) -> None:
    """Wait until several answers in a row come of these versions only; what is judged comes after that."""
    waiting.until(
        lambda: {review.version for review in reviews(ground, SETTLED)} <= set(versions),
        what=f"reviews answering from {', '.join(sorted(versions))} only",
        timeout=LIVE_WITHIN,
        next_step=f"kubectl -n {NAMESPACE} get virtualservices,destinationrules,httproutes -o yaml",
    )


def fortio(ground: Ground, *words: str) -> Mapping[str, int]:
    """``fortio load``: answers by status."""
    ran = execute(ground, "deploy/fortio-deploy", "fortio", "fortio", "load", *words)
    return {code: int(number) for code, number in _CODES.findall(ran.out + ran.err)}


def admin(ground: Ground, pod: str, path: str) -> str:
    """A page of a sidecar's Envoy."""
    return execute(ground, pod, "istio-proxy", "pilot-agent", "request", "GET", path).out


def token() -> str:
    """A word that no other request carries."""
    return uuid.uuid4().hex[:12]


def logged(ground: Ground, labels: str, container: str, word: str) -> int:
    """Lines of the logs of these pods that hold ``word``."""
    logs = ground.kubectl(["logs", "-l", labels, "-c", container, "--tail=-1"]).out
    return sum(word in line for line in logs.splitlines())


def until_logged(ground: Ground, labels: str, container: str, word: str) -> None:
    """Wait until a line with ``word`` is there; whatever was logged before it is there too."""
    waiting.until(
        lambda: logged(ground, labels, container, word),
        what=f"a line with {word} in the log of {labels}",
        timeout=LIVE_WITHIN,
        next_step=f"kubectl -n {NAMESPACE} logs -l {labels} -c {container}",
    )


def pod(ground: Ground, labels: str) -> str:
    """The name of the one pod with these labels."""
    pods = ground.api.list(resources.PODS, NAMESPACE, labels=labels)
    return resources.name_of(pods[0]) if pods else ""
