"""What an Envoy counts: what the kit's own readers ask for, and little else."""

import re

import pytest

from labkit.sandbox.proxy import bootstrap

START = bootstrap.Start(
    role="sidecar",
    name="a",
    namespace="default",
    ip="127.66.0.9",
    istiod="127.66.0.2",
    metadata={},
)
PATTERNS = bootstrap.bootstrap(START)["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]


def fits(name, matcher):
    return re.fullmatch(matcher["regex"], name)


def is_counted(name):
    tests = {"prefix": str.startswith, "suffix": str.endswith, "contains": str.__contains__, "safe_regex": fits}
    return any(tests[kind](name, text) for pattern in PATTERNS for kind, text in pattern.items())


@pytest.mark.parametrize(
    "name",
    [
        "cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_completed",
        "cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_5xx",
        "cluster.outbound|8000||httpbin.default.svc.cluster.local.upstream_rq_pending_overflow",
        "cluster.outbound|8000||httpbin.default.svc.cluster.local.upstream_rq_pending_active",
        "cluster.outbound|8000||httpbin.default.svc.cluster.local.circuit_breakers.default.cx_open",
        "cluster.outbound|8000||httpbin.default.svc.cluster.local.outlier_detection.ejections_enforced_total",
        "listener_manager.total_listeners_draining",
        "cluster./app-health/web/readyz.membership_healthy",
    ],
)
def test_what_is_read_is_counted(name):
    assert is_counted(name)


def test_what_nobody_reads_is_not():
    assert not is_counted("cluster.outbound|8000||httpbin.default.svc.cluster.local.upstream_cx_rx_bytes_total")
