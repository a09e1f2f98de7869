"""Requests by version, from the statistics of the proxy that sent them."""

import json

from labkit.telemetry import upstreams

ENVOY = """\
cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_200: 90
cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_completed: 90
cluster.outbound|9080|v3|reviews.default.svc.cluster.local.external.upstream_rq_completed: 9
cluster.outbound|9080|v3|reviews.default.svc.cluster.local.upstream_rq_5xx: 4
cluster.outbound|9080|v3|reviews.default.svc.cluster.local.upstream_rq_completed: 10
cluster.outbound|9080|v1|reviews-old.default.svc.cluster.local.upstream_rq_completed: 7
cluster.outbound|9080||reviews.default.svc.cluster.local.upstream_rq_completed: 3
"""


def total(version, code, count, *, reporter="source", service="reviews"):
    return (
        f'istio_requests_total{{reporter="{reporter}",destination_service_name="{service}",'
        f'destination_version="{version}",response_code="{code}"}} {count}\n'
    )


ISTIO = (
    total("v1", "200", 90)
    + total("v3", "200", 6)
    + total("v3", "503", 3)
    + total("v3", "0", 1)
    + total("v1", "200", 5, reporter="destination")
    + total("v1", "200", 8, service="ratings")
)

BOTH = {"v1": upstreams.Seen(sent=90, failed=0), "v3": upstreams.Seen(sent=10, failed=4)}


def test_envoys_counters_are_read_by_subset():
    assert upstreams.of_clusters(ENVOY, "reviews") == BOTH


def test_istios_counters_are_read_as_the_caller_reports_them():
    assert upstreams.of_istio(ISTIO, "reviews") == BOTH


def test_istios_are_asked_for_where_envoy_has_none():
    asked = []

    def ask(path):
        asked.append(path)
        return ISTIO if "prometheus" in path else ""

    assert upstreams.by_subset(ask, "reviews") == BOTH and len(asked) == 2


def test_a_proxy_that_counts_nothing_of_it_gives_nothing():
    assert upstreams.by_subset(lambda _: "", "reviews") == {}


def endpoint(sent, failed):
    return {"stats": [{"name": "rq_total", "value": str(sent)}, {"name": "rq_error", "value": str(failed)}]}


CLUSTERS = json.dumps(
    {
        "cluster_statuses": [
            {"name": "outbound|9080|v1|reviews.default.svc.cluster.local", "host_statuses": [endpoint(90, 0)]},
            {
                "name": "outbound|9080|v3|reviews.default.svc.cluster.local",
                "host_statuses": [endpoint(6, 3), endpoint(4, 1)],
            },
            {"name": "outbound|9080||reviews.default.svc.cluster.local", "host_statuses": [endpoint(7, 7)]},
            {"name": "outbound|9080|v1|ratings.default.svc.cluster.local", "host_statuses": [endpoint(7, 7)]},
            {"name": "inbound|9080||"},
        ]
    }
)


def test_the_list_of_endpoints_has_the_same_numbers_where_no_counter_is_kept():
    assert upstreams.of_endpoints(CLUSTERS, "reviews") == BOTH


def test_names_of_statistics_may_end_as_istios_do():
    assert upstreams.of_clusters(ENVOY.replace(".cluster.local.", ".cluster.local;."), "reviews") == BOTH
