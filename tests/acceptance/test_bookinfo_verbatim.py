"""Istio's own sample manifests, unchanged, with stock kubectl: what they do on a cluster they do here."""

import json
import os
import re
import signal
import threading

import pytest

from labkit import traffic
from labkit.base import settings, waiting
from labkit.clusters import sandbox as sandboxes
from labkit.install import gateway, istio
from labkit.traffic import judge
from tests.kubectl import Kubectl

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A sandbox of its own with Istio and nothing else."""
    paths = settings.Paths(home=tmp_path_factory.mktemp("bare") / "home")
    client = sandboxes.start(paths).client()
    istio.install(client)
    yield Kubectl(paths), client
    sandboxes.stop(paths)


@pytest.fixture(scope="module")
def bookinfo(bare, samples):
    """kubectl and the gateway's address, with the samples applied as the tutorial does."""
    kubectl, client = bare
    kubectl("label", "namespace", "default", "istio-injection=enabled")
    kubectl("apply", "-f", str(samples / "bookinfo/platform/kube/bookinfo.yaml"))
    kubectl("apply", "-f", str(samples / "bookinfo/networking/bookinfo-gateway.yaml"))
    kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    url = waiting.until(
        lambda: gateway.url(client), what="the gateway", timeout=30, next_step="kubectl get svc -A"
    )
    waiting.until(
        lambda: traffic.send(url, "/productpage", count=1)["status"].eq(200).all(),
        what="the product page",
        timeout=30,
        next_step="kubectl get pods",
    )
    return kubectl, url


def test_six_pods_are_two_of_two(bookinfo):
    kubectl, _ = bookinfo
    rows = kubectl("get", "pods", "--no-headers").splitlines()
    assert len(rows) == 6
    assert all(re.search(r"\s2/2\s+Running\s", row) for row in rows)


def test_the_proxy_is_a_native_sidecar(bookinfo):
    kubectl, _ = bookinfo
    pods = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    for pod in pods:
        (proxy,) = [c for c in pod["spec"]["initContainers"] if c["name"] == "istio-proxy"]
        assert proxy["restartPolicy"] == "Always"


def test_the_page_answers_at_the_gateway_and_the_root_does_not(bookinfo):
    _, url = bookinfo
    assert traffic.send(url, "/productpage", count=1)["status"].tolist() == [200]
    assert traffic.send(url, "/", count=1)["status"].tolist() == [404]


def test_ninety_ten_is_measured_inside_its_band(bookinfo, samples):
    kubectl, url = bookinfo
    kubectl("apply", "-f", str(samples / "bookinfo/networking/destination-rule-all.yaml"))
    kubectl("apply", "-f", str(samples / "bookinfo/networking/virtual-service-reviews-90-10.yaml"))
    _until_only(url, {"v1", "v2"})
    frame = traffic.send(url, "/api/v1/products/0/reviews", count=1000)
    assert set(frame["version"]) <= {"v1", "v2"}
    low, high = judge.band(1000, 0.10)
    assert low <= (frame["version"] == "v2").sum() <= high


def test_killed_processes_cost_no_more_than_the_requests_in_flight(bookinfo):
    kubectl, url = bookinfo
    kubectl("delete", "virtualservice", "reviews", "ratings", "details", "productpage", "--ignore-not-found")
    kubectl("delete", "destinationrules", "--all")
    workers = 4
    frames = []
    sender = threading.Thread(
        target=lambda: frames.append(
            traffic.send(url, "/api/v1/products/0/reviews", count=600, workers=workers, rate=200)
        )
    )
    sender.start()
    for process in _processes(kubectl, "app=reviews"):
        os.kill(process, signal.SIGKILL)
    sender.join()
    (frame,) = frames
    assert len(frame) == 600
    assert (frame["status"] != 200).sum() <= workers
    waiting.until(
        lambda: all(" 1 (" in row for row in kubectl("get", "pods", "-l", "app=reviews").splitlines()[1:]),
        what="one restart of every reviews pod",
        timeout=20,
        next_step="kubectl describe pods",
    )


def _processes(kubectl, labels):
    pods = json.loads(kubectl("get", "pods", "-l", labels, "-o", "json"))["items"]
    statuses = [pod["status"]["containerStatuses"][0] for pod in pods]
    return [int(status["containerID"].removeprefix("process://")) for status in statuses]


def _until_only(url, versions):
    waiting.until(
        lambda: set(traffic.send(url, "/api/v1/products/0/reviews", count=30)["version"]) <= versions,
        what=f"reviews answering from {versions} only",
        timeout=10,
        next_step="kubectl get virtualservices -o yaml",
    )
