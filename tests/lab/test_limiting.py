"""The rate limit service behind the gateway: exact, through restarts, and what a client meets when it is not right."""

import pytest

from labkit.base import waiting
from labkit.kube import manifests
from labkit.lab import preparation

pytestmark = pytest.mark.sandbox

LIST = "/api/v1/products"
ADMITTED = 12

CONFIG = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: ratelimit-config}}
data:
  config.yaml: |
    domain: bookinfo
    descriptors:
    - key: tenant
      rate_limit: {{unit: year, requests_per_unit: {ADMITTED}}}
"""
"""A year, so that no window ends while a test looks."""


def objects(name):
    return manifests.read(preparation.MANIFESTS / name)


def asking(**fields):
    """The gateway's filter with other fields."""
    (obj,) = objects("limit-global.yaml")
    obj["spec"]["configPatches"][0]["patch"]["value"]["typed_config"] |= fields
    return obj


@pytest.fixture(scope="module")
def limited(lab):
    service = [obj for obj in objects("ratelimit.yaml") if obj["kind"] != "ConfigMap"]
    lab.apply([*manifests.parse(CONFIG), *service], quiet=True)
    lab.wait("redis", "ratelimit")
    lab.apply("manifests/limit-global.yaml", quiet=True)
    yield lab
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


def test_a_service_that_was_killed_comes_back_with_its_counts(limited):
    assert statuses(limited, "killed", count=ADMITTED) == {200: ADMITTED}
    limited.kubectl("delete pod -l app=ratelimit --force --grace-period=0")
    answered = waiting.until(
        lambda: (seen := status(limited, "killed")) != 500 and seen,
        what="the rate limit service",
        timeout=60.0,
        next_step="kubectl get pods",
    )
    assert answered == 429


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
