"""Evidence of objects that a test writes down, and a desk on the run's sandbox at which attempts are made."""

import pytest

from labkit import traffic
from labkit.clusters import cluster
from labkit.install import bookinfo, gateway
from labkit.kube import manifests, resources
from labkit.lab import Lab, chapters, preparation
from labkit.telemetry import inside
from labkit.traffic import fetching
from tests.exercises.simulated import STARTS, group, key


class Written:
    """Evidence of given objects and answers, on a cluster where nothing answers and no pod has an Envoy."""

    namespace = "default"

    def __init__(self, *objects, answers=None, waited=0.0, late=""):
        self._objects, self._answers, self._waited, self._late = objects, answers or {}, waited, late

    def resource(self, kind, name, namespace=""):
        return next((o for o in self.resources(kind, namespace) if resources.name_of(o) == name), None)

    def resources(self, kind, namespace=""):
        place = namespace or self.namespace
        return [o for o in self.everywhere(kind) if not kind.namespaced or resources.namespace_of(o) == place]

    def everywhere(self, kind):
        return [o for o in self._objects if (o["kind"], group(o)) == (kind.kind, kind.group)]

    def config(self, pod, namespace=""):
        return None

    def address(self, *, through=""):
        return "127.0.0.1:30080"

    def send(self, path, *, count=1, user="", headers=None, through=""):
        return traffic.frame([NOTHING] * count)

    def fetch(self, path, *, user="", headers=None, through=""):
        return fetching.Answer(status=0, text="", headers={})

    def curl(self, url, *options):
        return inside.Answer(status=0, error="curl: (6) Could not resolve host")

    def load(self, url, *, connections, count):
        return inside.Counts(by_status={})

    def logged(self, name, text):
        return 0

    def answer(self, name):
        return self._answers.get(name)

    def until_rolled_out(self, name, namespace="", *, is_coming=False):
        return self._waited

    def unsettled(self):
        return 0.0

    def until_live(self):
        return self._late


NOTHING = traffic.Sent(
    time=0.0, status=0, latency_ms=0.0, version="", pod="", bytes_received=0, error="connection refused"
)


class Desk:
    """Attempts at exercises, each from the state in which the lesson leaves the learner with them."""

    def __init__(self, where):
        self.lab, self._start, self._objects = Lab(where), None, {}

    def sit_down(self, exercise):
        """Bring the cluster to where the exercise begins; what is there already stays."""
        number = STARTS.get(exercise.id[:2], exercise.id[:2])
        if self._start == (number, exercise.given):
            return
        self.lab.goto(number)
        for name in exercise.given:
            self.lab.apply(f"manifests/{name}")
        files = (*chapters.chapter(number).manifests, *exercise.given)
        own = [obj for name in files for obj in manifests.read(preparation.MANIFESTS / name)]
        self._objects = {key(obj): obj for obj in (*bookinfo.objects(), *gateway.objects(), *own)}
        self._start = number, exercise.given

    def verdict(self, exercise, *, yaml="", answer=None, deletes=""):
        """The verdict on an attempt, asked for once and at once; the attempt is taken back."""
        self.sit_down(exercise)
        if deletes:
            self.lab.delete(deletes)
            self._start = None
        attempt = manifests.parse(yaml) if yaml else []
        if attempt:
            self.lab.apply(yaml)
        self.lab.answer(exercise.id, answer)
        try:
            return self.lab.check(exercise.id)
        finally:
            self._take_back(attempt)

    def _take_back(self, attempt):
        new = [obj for obj in attempt if key(obj) not in self._objects]
        changed = [self._objects[key(obj)] for obj in attempt if key(obj) in self._objects]
        if any(obj["kind"] == "Namespace" for obj in new):
            self._start = None  # a namespace takes its time, and the one of the course must not go
            new = [obj for obj in new if resources.name_of(obj) != self.lab.namespace]
        if new:
            self.lab.delete(new)
        if changed:
            self.lab.apply(changed)


@pytest.fixture(scope="module")
def desk(sandbox):
    """The one desk; lesson after lesson sits down at it."""
    where = cluster.of_sandbox(sandbox.kubeconfig)
    yield Desk(where)
    Lab(where).goto("05")
