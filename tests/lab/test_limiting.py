"""The rate limit service behind three gateways: exact, through restarts, and what clients meet when it is not right."""

import contextlib
import http.client
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest

from labkit.base import waiting
from labkit.kube import manifests, resources
from labkit.lab import preparation

pytestmark = pytest.mark.sandbox

LIST = "/api/v1/products"
ADMITTED, MANY = 12, 300
WINDOW = 3
"""Seconds of the short window."""

CLIENTS, GATEWAYS = 8, 3

CONFIG = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: ratelimit-config}}
data:
  config.yaml: |
    domain: bookinfo
    descriptors:
    - key: tenant
      value: many*
      rate_limit: {{unit: year, requests_per_unit: {MANY}}}
    - key: tenant
      value: edge
      rate_limit: {{unit: second, unit_multiplier: {WINDOW}, requests_per_unit: {ADMITTED}}}
    - key: tenant
      rate_limit: {{unit: year, requests_per_unit: {ADMITTED}}}
"""
"""A year, so that no window ends while a test looks."""


def objects(name):
    return manifests.read(preparation.MANIFESTS / name)


def asking(**fields):
    """The gateways' filter with other fields; it waits long, so that a busy machine is no failure of the service."""
    (obj,) = objects("limit-global.yaml")
    obj["spec"]["configPatches"][0]["patch"]["value"]["typed_config"] |= {"timeout": "20s", **fields}
    return obj


def scaled(lab, replicas):
    lab.kubectl(f"-n istio-system scale deployment/istio-ingressgateway --replicas={replicas}")
    lab.kubectl("-n istio-system rollout status deployment/istio-ingressgateway")


@pytest.fixture(scope="module")
def limited(lab):
    service = [obj for obj in objects("ratelimit.yaml") if obj["kind"] != "ConfigMap"]
    lab.apply([*manifests.parse(CONFIG), *service], quiet=True)
    scaled(lab, GATEWAYS)
    lab.wait("redis", "ratelimit")
    lab.apply(asking(), quiet=True)
    yield lab
    scaled(lab, 1)
    for name in ("limit-global.yaml", "ratelimit.yaml"):
        lab.delete(f"manifests/{name}", quiet=True)


def statuses(lab, tenant, count=1):
    return lab.send(LIST, count=count, headers={"x-tenant": tenant})["status"].value_counts().to_dict()


def status(lab, tenant):
    return lab.send(LIST, headers={"x-tenant": tenant}).status


def test_exactly_as_many_pass_as_the_file_says(limited):
    assert statuses(limited, "exact", count=40) == {200: ADMITTED, 429: 40 - ADMITTED}
    row = next(r for r in limited.limits().rows if r["name"] == "bookinfo.tenant")
    assert (row["most"], row["allowed"], row["refused"]) == (ADMITTED, ADMITTED, 40 - ADMITTED)


@dataclass(frozen=True)
class Answer:
    """One answer of a gateway."""

    status: int
    sent: float
    left: int
    """Requests that the window still admits, -1 where the answer does not say."""

    reset: int
    """Seconds until the window ends."""

    @property
    def window(self):
        """When its window ends: the multiple of the window's length that is next to what the answer says."""
        return round((self.sent + self.reset) / WINDOW) * WINDOW


class Clients:
    """Eight clients that ask all gateways in turn, each over connections of its own, until ``enough``."""

    def __init__(self, lab, tenant, enough):
        pods = lab.api.list(resources.PODS, "istio-system", labels="istio=ingressgateway")
        self.addresses = [pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        self.headers = {"host": "bookinfo.example.com", "x-tenant": tenant}
        self.enough, self.answers = enough, []
        self.ended = threading.Event()

    @contextlib.contextmanager
    def asking(self):
        assert len(self.addresses) == GATEWAYS
        threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        except BaseException:
            self.ended.set()
            raise
        finally:
            for thread in threads:
                thread.join()

    def ask(self):
        with contextlib.ExitStack() as stack:
            gateways = [stack.enter_context(connected(address)) for address in self.addresses]
            while not self.ended.is_set():
                for gateway in gateways:
                    self.answers.append(answer_of(gateway, self.headers))
                if self.enough(self.answers):
                    self.ended.set()

    def statuses(self):
        return Counter(answer.status for answer in self.answers)


def connected(address):
    return contextlib.closing(http.client.HTTPConnection(address, 8080, timeout=60))


def answer_of(gateway, headers):
    sent = time.time()
    gateway.request("GET", LIST, headers=headers)
    reply = gateway.getresponse()
    reply.read()
    left, reset = (int(reply.getheader(f"x-ratelimit-{name}", -1)) for name in ("remaining", "reset"))
    return Answer(reply.status, sent, left, reset)


def refused(count):
    """Whether as many requests were refused."""
    return lambda answers: sum(answer.status == 429 for answer in answers) >= count


def test_eight_clients_of_three_gateways_are_admitted_exactly_as_often_as_the_file_says(limited):
    with Clients(limited, "many-of-three", refused(30)).asking() as clients:
        pass
    assert clients.statuses()[200] == MANY
    assert set(clients.statuses()) == {200, 429}


def test_a_new_window_admits_exactly_as_many_again(limited):
    def both(answers):
        return len({answer.window for answer in answers if answer.status == 429}) >= 2

    with Clients(limited, "edge", both).asking() as clients:
        pass
    left, over = defaultdict(list), set()
    for answer in clients.answers:
        if answer.status == 200:
            left[answer.window].append(answer.left)
        else:
            over.add(answer.window)
    for window, counts in left.items():
        assert sorted(counts, reverse=True) == list(range(ADMITTED))[::-1][: len(counts)]
        assert window not in over or len(counts) == ADMITTED


def kill(lab):
    (pod,) = lab.api.list(resources.PODS, "default", labels="app=ratelimit")
    (status,) = (s for s in pod["status"]["containerStatuses"] if s["name"] == "ratelimit")
    os.kill(int(status["containerID"].removeprefix("process://")), signal.SIGKILL)


def replace(lab):
    lab.kubectl("delete pod -l app=ratelimit --force --grace-period=0")


@pytest.mark.parametrize(
    ("end", "tenant", "fields", "statuses"),
    [
        pytest.param(kill, "many-closed", {"failure_mode_deny": True}, {200, 429, 500}, id="killed, failing closed"),
        pytest.param(replace, "many-open", {"failure_mode_deny": False}, {200, 429}, id="deleted, failing open"),
    ],
)
def test_a_service_that_ends_under_load_comes_back_with_its_counts(limited, end, tenant, fields, statuses):
    limited.apply(asking(**fields), quiet=True)
    with Clients(limited, tenant, refused(30)).asking() as clients:
        waiting.until(
            lambda: clients.statuses()[200] > MANY / 3, what="requests that pass", timeout=60, next_step="look at them"
        )
        end(limited)
    seen = clients.statuses()
    assert set(seen) <= statuses
    if 500 in statuses:
        # What was counted when the service died, and not answered for, is one of the requests that failed.
        assert MANY - seen[500] <= seen[200] <= MANY
    else:
        assert seen[200] >= MANY - CLIENTS


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"failure_mode_deny": True}, 500, id="closed"),
        pytest.param({"failure_mode_deny": False}, 200, id="open"),
    ],
)
def test_what_answers_nonsense_is_no_answer(limited, fields, expected):
    nonsense = {"cluster_name": "outbound|9080||details.default.svc.cluster.local", "authority": "details"}
    service = {"transport_api_version": "V3", "grpc_service": {"envoy_grpc": nonsense}}
    limited.apply(asking(rate_limit_service=service, **fields), quiet=True)
    assert status(limited, "nonsense") == expected


SLOW = {
    "apiVersion": "networking.istio.io/v1alpha3",
    "kind": "EnvoyFilter",
    "metadata": {"name": "slow", "namespace": "default"},
    "spec": {
        "workloadSelector": {"labels": {"app": "ratelimit"}},
        "configPatches": [
            {
                "applyTo": "HTTP_FILTER",
                "match": {"context": "SIDECAR_INBOUND"},
                "patch": {
                    "operation": "INSERT_FIRST",
                    "value": {
                        "name": "envoy.filters.http.fault",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                            "delay": {"fixed_delay": "20s", "percentage": {"numerator": 100}},
                        },
                    },
                },
            }
        ],
    },
}


def test_who_answers_too_late_is_not_waited_for(limited):
    limited.apply([SLOW, asking(timeout="0.2s")], quiet=True)
    waiting.until(
        lambda: status(limited, "late") == 500,
        what="the end of connections from before",
        timeout=60.0,
        next_step="kubectl get envoyfilters",
    )
    limited.apply(asking(timeout="0.2s", failure_mode_deny=False), quiet=True)
    answer = limited.send(LIST, headers={"x-tenant": "late"})
    assert answer.status == 200
    assert answer.latency_ms < 15_000
    limited.delete([SLOW], quiet=True)
