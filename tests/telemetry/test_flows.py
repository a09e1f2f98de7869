"""Who sends requests to whom, from what the sending proxies count."""

import json

from labkit.telemetry import flows
from labkit.telemetry.workloads import Workload


def pod(name, ip, *, app="", proxy=True, ready=2, phase="Running"):
    return Workload(
        name=name,
        namespace="default",
        app=app,
        version="v1",
        ready=ready,
        containers=2,
        has_proxy=proxy,
        phase=phase,
        ip=ip,
    )


PAGE, V1 = pod("productpage-v1-ffbbmx4jcw-47gmd", "127.66.0.3"), pod("reviews-v1-rwt2x9vjk2-f7hxw", "127.66.0.5")


def clusters(*hosts, name="outbound|9080|v1|reviews.default.svc.cluster.local"):
    statuses = [
        {
            "address": {"socket_address": {"address": address}},
            "stats": [{"name": "rq_total", "value": str(total)}, {"name": "rq_error", "value": str(errors)}],
        }
        for address, total, errors in hosts
    ]
    return json.dumps({"cluster_statuses": [{"name": name, "host_statuses": statuses}]})


def flows_of(text, stats=""):
    result = flows.flows({PAGE.name: text}, {PAGE.name: stats}, [PAGE, V1])
    return [(f.source, f.target, f.sent, f.failed) for f in result]


def test_requests_are_told_by_workload():
    assert flows_of(clusters(("127.66.0.5", 9, 2))) == [("productpage-v1", "reviews-v1", 9, 2)]


def test_an_address_of_no_pod_is_told_by_its_host():
    assert flows_of(clusters(("10.1.1.1", 3, 0), name="outbound|80||billing.example")) == [
        ("productpage-v1", "billing.example", 3, 0)
    ]


def test_where_nobody_answered_the_proxy_itself_failed():
    stats = "cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_5xx: 7"
    assert flows_of(clusters(), stats) == [("productpage-v1", "reviews", 7, 7)]


def test_inbound_clusters_and_silence_are_no_flows():
    assert flows_of(clusters(("127.66.0.3", 9, 0), name="inbound|9080||")) == []
    assert flows_of(clusters(("127.66.0.5", 0, 0))) == []


def test_pods_of_one_deployment_are_one_node():
    pods = [pod(f"ratings-v1-abcde-{n}", "", ready=n) for n in (1, 2)] + [
        pod("ratings-v1-abcde-9", "", phase="Terminating")
    ]
    (node,) = flows.nodes(pods)
    assert (node.name, node.pods, node.ready, node.has_proxy) == ("ratings-v1", 2, 1, True)
