"""Whatever is killed comes back, and costs no more than it must."""

import contextlib
import os
import signal
import threading

import pytest

from labkit import traffic
from labkit.base import processes, waiting
from labkit.clusters import sandbox as sandboxes
from tests.acceptance.conftest import REVIEWS

pytestmark = pytest.mark.sandbox

WORKERS = 4
GATEWAY = "istio=ingressgateway"

ASLEEP = 8.0
"""Seconds; longer than a probe's period and time limit together."""


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def until(condition, what, timeout=60):
    return waiting.until(condition, what=what, timeout=timeout, next_step="kubectl describe pods")


def apply(bookinfo, *names):
    bookinfo.kubectl("apply", *(word for name in names for word in ("-f", str(bookinfo.networking / name))))


@contextlib.contextmanager
def traffic_beside(bookinfo):
    """Requests while the body runs; a list with their table afterwards."""
    frames = []
    sender = threading.Thread(target=lambda: frames.append(bookinfo.send(600, REVIEWS, workers=WORKERS, rate=200)))
    sender.start()
    yield frames
    sender.join()


def test_killed_apps_cost_no_more_than_the_requests_in_flight(bookinfo):
    """One copy is left: Envoys ask it instead, however long the others take to come back."""
    copies = "app=reviews,version in (v1,v2)"
    before = bookinfo.restarts(copies, "reviews")
    with traffic_beside(bookinfo) as frames:
        kill(bookinfo.processes(copies, "reviews"))
    (frame,) = frames
    assert len(frame) == 600
    assert (frame["status"] != 200).sum() <= WORKERS
    until(
        lambda: bookinfo.restarts(copies, "reviews") == [number + 1 for number in before],
        "one restart of both pods",
    )


@pytest.mark.parametrize(
    ("labels", "namespace"),
    [("app=reviews,version=v1", "default"), ("app=productpage", "default"), (GATEWAY, "istio-system")],
    ids=["of reviews v1", "of productpage", "the gateway"],
)
def test_a_killed_envoy_is_started_again_and_serves(bookinfo, labels, namespace):
    (before,) = bookinfo.restarts(labels, "istio-proxy", namespace)
    kill(bookinfo.processes(labels, "istio-proxy", namespace))
    until(lambda: bookinfo.restarts(labels, "istio-proxy", namespace) == [before + 1], "one restart")
    bookinfo.until_serving()
    ready = bookinfo.kubectl("wait", "pods", "-l", labels, "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    assert "condition met" in ready


def test_a_killed_gateway_costs_no_more_than_the_requests_in_flight(bookinfo):
    """Whoever connects while no Envoy listens at the node port waits for the next one."""
    bookinfo.kubectl("-n", "istio-system", "delete", "pods", "-l", GATEWAY)  # No back-off of an earlier kill.
    bookinfo.until_serving()
    with traffic_beside(bookinfo) as frames:
        kill(bookinfo.processes(GATEWAY, "istio-proxy", "istio-system"))
    assert (frames[0]["status"] != 200).sum() <= WORKERS


def test_traffic_goes_on_without_istiod_and_rules_go_on_with_it(bookinfo):
    (before,) = bookinfo.restarts("app=istiod", "discovery", "istio-system")
    with traffic_beside(bookinfo) as frames:
        kill(bookinfo.processes("app=istiod", "discovery", "istio-system"))
    (frame,) = frames
    assert frame["status"].eq(200).all()
    until(lambda: bookinfo.restarts("app=istiod", "discovery", "istio-system") == [before + 1], "one restart")
    bookinfo.kubectl("-n", "istio-system", "rollout", "status", "deploy/istiod", "--timeout=60s")
    apply(bookinfo, "destination-rule-all.yaml", "virtual-service-reviews-v3.yaml")
    bookinfo.until_only({"v3"})
    bookinfo.forget_rules()


def test_a_killed_sandbox_leaves_no_process_and_starts_with_what_was_applied(bookinfo):
    apply(bookinfo, "destination-rule-all.yaml", "virtual-service-reviews-v3.yaml")
    main = sandboxes.running(bookinfo.paths)["pid"]
    every = [main, *processes.children(main)]
    assert len(every) > 15
    kill([main])
    until(lambda: not any(map(processes.is_alive, every)), "the end of every process", timeout=60)
    assert sandboxes.running(bookinfo.paths) is None
    sandboxes.start(bookinfo.paths)
    bookinfo.until_serving()
    bookinfo.until_only({"v3"})
    bookinfo.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    assert len(bookinfo.pods()) == 6
    bookinfo.forget_rules()


def test_a_start_right_after_the_kill_finds_every_port_again(bookinfo):
    url = bookinfo.url
    kill([sandboxes.running(bookinfo.paths)["pid"]])
    until(lambda: sandboxes.running(bookinfo.paths) is None, "the end of the sandbox", timeout=60)
    sandboxes.start(bookinfo.paths)
    bookinfo.until_serving()
    assert bookinfo.url == url


def test_a_killed_launcher_is_replaced_and_costs_no_pod_anything(bookinfo):
    bookinfo.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    main = sandboxes.running(bookinfo.paths)["pid"]
    (launcher,) = launchers(main)
    before = bookinfo.processes("app=reviews", "reviews")
    with traffic_beside(bookinfo) as frames:
        kill([launcher])
        until(lambda: launchers(main) not in ([], [launcher]), "another launcher")
    assert (frames[0]["status"] == 200).all()
    assert bookinfo.processes("app=reviews", "reviews") == before
    bookinfo.kubectl("exec", "deploy/reviews-v1", "--", "true")
    assert sandboxes.running(bookinfo.paths)["pid"] == main


def test_launchers_that_crash_in_a_row_keep_no_pod_waiting(bookinfo):
    """A container is not to blame for its launcher: it does not wait 40 s after four crashes."""
    main = sandboxes.running(bookinfo.paths)["pid"]
    for _ in range(4):
        before = launchers(main)
        kill(before)
        until(lambda before=before: launchers(main) and launchers(main) != before, "another launcher")
    bookinfo.kubectl("delete", "pods", "-l", "app=reviews")
    waiting.until(
        lambda: set(bookinfo.phases()) == {"2/2 Running"},
        what="every pod",
        timeout=60,
        next_step="kubectl get pods",
        show=lambda _: str(bookinfo.phases()),
    )
    bookinfo.until_serving()


def launchers(main):
    """Its container forks are children of the sandbox as well, and show their own command lines."""
    children = {child for child, parent in processes.parents().items() if parent == main}
    return [one.pid for one in processes.running(["labkit.sandbox.kubelet.launcher"]) if one.pid in children]


def test_a_machine_that_slept_goes_on(bookinfo):
    """Every process stopped for some seconds, and then let go on, in no particular order."""
    before = [status["restartCount"] for pod in bookinfo.pods() for status in pod["status"]["containerStatuses"]]
    url, main = bookinfo.url, sandboxes.running(bookinfo.paths)["pid"]
    every = [main, *processes.children(main)]
    for pid in every:
        os.kill(pid, signal.SIGSTOP)
    try:
        # Nothing answers while it sleeps; the pause is as long as a request that gets no answer.
        asleep = traffic.collect(traffic.Load(url=url, path="/productpage", count=1, limit=ASLEEP))
        assert [sent.status for sent in asleep] == [0]
    finally:
        for pid in reversed(every):
            os.kill(pid, signal.SIGCONT)
    bookinfo.until_serving(timeout=60)
    bookinfo.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s")
    after = [status["restartCount"] for pod in bookinfo.pods() for status in pod["status"]["containerStatuses"]]
    assert after == before
    apply(bookinfo, "destination-rule-all.yaml", "virtual-service-reviews-v3.yaml")
    bookinfo.until_only({"v3"})
    bookinfo.forget_rules()
