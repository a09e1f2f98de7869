"""A misspelt or refused configuration: how soon kubectl says so, and that traffic goes on."""

import time
from dataclasses import dataclass

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit import traffic

BAR = 1.0
"""Seconds, kubectl's own start included."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A manifest with one mistake in it."""

    name: str
    manifest: str
    words: tuple[str, ...]
    """What the error must say: the object and the field."""


HEAD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
"""

MISTAKES = (
    Mistake(
        name="a misspelt field",
        manifest=HEAD + "spec: {hosts: [reviews], htpp: [{route: [{destination: {host: reviews}}]}]}",
        words=("reviews", "spec.htpp"),
    ),
    Mistake(
        name="a text where a number belongs",
        manifest=HEAD + "spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}, weight: many}]}]}",
        words=("reviews", "weight"),
    ),
    Mistake(
        name="a negative weight",
        manifest=HEAD + "spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}, weight: -5}]}]}",
        words=("reviews", "weight"),
    ),
)


def measure(lab: PrivateLab) -> list[result.Result]:
    """How long each refusal takes, and whether traffic goes on after all of them."""
    rows = []
    for mistake in MISTAKES:
        # A file, as people have: kubectl names it where the server's words do not name the object.
        file = lab.paths.home / "reviews-virtual-service.yaml"
        file.write_text(mistake.manifest)
        began = time.monotonic()
        ran = lab.kubectl("apply", "-f", str(file))
        took = time.monotonic() - began
        name, text = f"{mistake.name}: refused", ran.stderr.strip()
        missing = [word for word in mistake.words if word not in text]
        if ran.returncode == 0 or missing:
            why = f"the error does not name {', '.join(missing)}: {text}" if missing else "it was accepted"
            rows.append(result.failed(name, why, at_most=BAR))
        else:
            rows.append(result.Result(name=name, value=took, unit="s", at_most=BAR))
    return [*rows, _last_good(lab)]


def _last_good(lab: PrivateLab) -> result.Result:
    """Requests that fail after the mistakes, of a hundred."""
    load = traffic.Load(url=lab.status()["gateway_url"], path="/productpage", count=100, rate=None)
    failed = traffic.summary(traffic.collect(load)).failed
    return result.Result(name="requests of 100 that fail after them", value=failed, at_most=0.0)
