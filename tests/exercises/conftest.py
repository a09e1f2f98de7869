"""Evidence made by hand, and a desk on the run's sandbox at which attempts are made."""

import pytest

from labkit import traffic
from labkit.base import waiting
from labkit.clusters import cluster
from labkit.kube import resources
from labkit.lab import Lab
from labkit.telemetry import inside

STARTS = {"02": "03", "03": "05", "04": "05"}
"""Lessons whose exercises come after their own work: where the cluster is by then."""


class Made:
    """Evidence of given objects, answers, and responses by path: a status, or a version for each request."""

    def __init__(self, *objects, answers=None, sent=None, logged=()):
        self._objects, self._answers, self._sent, self._logged = objects, answers or {}, sent or {}, iter(logged)

    def resource(self, kind, name, namespace=""):
        return next((o for o in self.resources(kind) if resources.name_of(o) == name), None)

    def resources(self, kind, namespace=""):
        return [o for o in self._objects if o["kind"] == kind.kind and group(o) in ("", kind.group)]

    def send(self, path, *, count=1, user="", headers=None, through=""):
        path = f"{through}{path}"
        said = self._sent.get((path, (headers or {}).get("Host", "")), self._sent.get(path, 0))
        versions = said if isinstance(said, list) else [""] * count
        status = 200 if isinstance(said, list) else said
        return traffic.frame([record(version, status) for version in versions])

    def curl(self, url, *options):
        return self._sent.get(url, inside.Answer(status=0, error="nobody there"))

    def load(self, url, *, connections, count):
        return self._sent.get(url, inside.Counts(by_status={}))

    def upstreams(self, pod):
        return self._sent.get(pod, set())

    def logged(self, name, text):
        return next(self._logged, 0)

    def answer(self, name):
        return self._answers.get(name)


def group(obj):
    """Of an object as it is written; none where a test left the version out."""
    return obj.get("apiVersion", "").rpartition("/")[0]


def record(version, status):
    return traffic.Sent(time=0.0, status=status, latency_ms=1.0, version=version, pod="", bytes_received=0, error="")


class Desk:
    """Attempts at exercises, each from the state in which the lesson leaves the learner with them."""

    def __init__(self, where):
        self._where, self._clean = where, None

    def attempt(self, exercise, *, yaml="", answer=None):
        """A lab with the attempt made."""
        lab = Lab(self._where)
        start = exercise.id[:2], exercise.given
        if self._clean != start:
            lab.goto(STARTS.get(exercise.id[:2], exercise.id[:2]))
            for name in exercise.given:
                lab.apply(f"manifests/{name}")
        self._clean = None if yaml else start
        if yaml:
            lab.apply(yaml)
        if answer is not None:
            lab.answer(exercise.id, answer)
        return lab

    def verdict(self, exercise, *, until, **attempt):
        """The verdict, asked for again while what was applied is still on its way."""
        lab = self.attempt(exercise, **attempt)
        seen = [lab.check(exercise.id)]
        waiting.until(
            lambda: until(seen[-1]) or until(seen.append(lab.check(exercise.id)) or seen[-1]),
            what=f"the verdict on {exercise.id}",
            timeout=15,
            next_step="read it",
            every=0.1,
            show=lambda _: repr(seen[-1]),
        )
        return seen[-1]


@pytest.fixture(scope="module")
def desk(sandbox):
    """The one desk; lesson after lesson sits down at it."""
    yield Desk(cluster.Cluster(kubeconfig=sandbox.kubeconfig, is_sandbox=True))
    Lab(cluster.Cluster(kubeconfig=sandbox.kubeconfig, is_sandbox=True)).goto("05")
