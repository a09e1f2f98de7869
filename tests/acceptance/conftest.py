"""Stock kubectl on a running sandbox, and Istio's published samples where they lie beside the checkout."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit import traffic
from labkit.base import settings, waiting
from labkit.clusters import sandbox as sandboxes
from labkit.install import gateway, istio
from labkit.traffic import fetching
from tests.kubectl import Kubectl

SAMPLES = settings.CHECKOUT.parent / "shared" / "data" / "samples"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of Istio's sample manifests."""
    if not SAMPLES.is_dir():
        pytest.skip("Istio's sample manifests are not beside this checkout (../shared/data/samples)")
    return SAMPLES


@pytest.fixture(scope="session")
def kubectl(sandbox) -> Kubectl:
    """kubectl on the sandbox with Istio and Bookinfo."""
    return Kubectl(sandbox.paths)


REVIEWS = "/api/v1/products/0/reviews"


@dataclass(frozen=True, kw_only=True)
class Bookinfo:
    """A sandbox on which a user applied Istio's samples with kubectl."""

    paths: settings.Paths
    samples: Path

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.paths)

    @property
    def networking(self) -> Path:
        """The samples with Bookinfo's rules."""
        return self.samples / "bookinfo" / "networking"

    @property
    def url(self) -> str:
        """Where the gateway answers; it may be another port after a start."""
        cluster = sandboxes.start(self.paths)
        return waiting.until(
            lambda: gateway.url(cluster.client()), what="the gateway", timeout=30, next_step="kubectl get svc -A"
        )

    def pods(self, labels="", namespace="default"):
        """Pods as the API has them."""
        chosen = ("-l", labels) if labels else ()
        return json.loads(self.kubectl("-n", namespace, "get", "pods", *chosen, "-o", "json"))["items"]

    def processes(self, labels, container, namespace="default"):
        """The process of a container, of every pod with these labels."""
        statuses = [
            status
            for pod in self.pods(labels, namespace)
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(kind, [])
            if status["name"] == container
        ]
        return [int(s["containerID"].removeprefix("process://")) for s in statuses if s.get("containerID")]

    def restarts(self, labels, container, namespace="default"):
        """How often a container of every such pod was started again."""
        return [
            status["restartCount"]
            for pod in self.pods(labels, namespace)
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(kind, [])
            if status["name"] == container
        ]

    def phases(self):
        """Each pod as a table shows it: ``2/2 Running``."""
        rows = self.kubectl("get", "pods", "--no-headers").splitlines()
        return [" ".join(row.split()[1:3]) for row in rows]

    def send(self, count=1, path="/productpage", **options):
        """A table of answers through the gateway."""
        return traffic.send(self.url, path, count=count, **options)

    def until_serving(self, timeout=30):
        """Wait until the page answers several times in a row, with reviews on it."""
        waiting.until(
            lambda: self.send(5)["status"].eq(200).all() and self.send(5, REVIEWS)["status"].eq(200).all(),
            what="the product page",
            timeout=timeout,
            next_step="kubectl get pods",
        )

    def until_only(self, versions, timeout=60):
        """Wait until reviews answer from these versions only."""
        waiting.until(
            lambda: set(self.send(30, REVIEWS)["version"]) <= set(versions),
            what=f"reviews answering from {versions} only",
            timeout=timeout,
            next_step="kubectl get virtualservices -o yaml",
        )

    def until_status(self, wanted, path=REVIEWS, timeout=60):
        """Wait until the answer has this status."""
        waiting.until(
            lambda: self.send(5, path)["status"].eq(wanted).all(),
            what=f"status {wanted} of {path}",
            timeout=timeout,
            next_step="kubectl get virtualservices -o yaml",
        )

    def page(self):
        """The product page, whole."""
        return fetching.fetch(self.url, "/productpage")

    def forget_rules(self):
        """Take away what tests apply; the gateway stays."""
        names = ("reviews", "ratings", "details", "productpage")
        self.kubectl("delete", "virtualservice", *names, "--ignore-not-found")
        self.kubectl("delete", "destinationrules", "--all")
        self.until_serving()


@pytest.fixture(scope="session")
def bookinfo(tmp_path_factory, samples):
    """A sandbox of its own with Istio, and the samples applied as the tutorial does."""
    paths = settings.Paths(home=tmp_path_factory.mktemp("bookinfo") / "home")
    istio.install(sandboxes.start(paths).client())
    made = Bookinfo(paths=paths, samples=samples)
    made.kubectl("label", "namespace", "default", "istio-injection=enabled")
    made.kubectl("apply", "-f", str(samples / "bookinfo/platform/kube/bookinfo.yaml"))
    made.kubectl("apply", "-f", str(made.networking / "bookinfo-gateway.yaml"))
    made.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    made.until_serving()
    yield made
    sandboxes.stop(paths)
