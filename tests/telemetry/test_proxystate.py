"""One proxy in a few words, from the pages of its Envoy."""

import json

from labkit.telemetry import proxystate

CHAIN = {"subject_alt_names": [{"uri": "spiffe://x/ns/default/sa/a"}], "expiration_time": "2026-12-01T17:14:15Z"}
PAGES = {
    "server_info": json.dumps({"version": "9e/1.40.0/Clean/R/SSL", "state": "LIVE", "uptime_current_epoch": "12s"}),
    proxystate.STATS: "cluster_manager.active_clusters: 19\ncluster_manager.cds.update_rejected: 1\n"
    "cluster.xds-grpc.upstream_cx_active: 1\nlistener_manager.lds.update_rejected: 2\n"
    "server.memory_allocated: 8487648\n",
    "certs": json.dumps({"certificates": [{"cert_chain": []}, {"cert_chain": [CHAIN]}]}),
    "clusters?format=json": json.dumps({"cluster_statuses": [
        {"name": "outbound|9080||reviews", "host_statuses": [{"health_status": {"failed_outlier_check": True}}, {}]},
        {"name": "xds-grpc", "host_statuses": [{}]},
    ]}),
}  # fmt: skip


def test_each_page_gives_its_words():
    assert proxystate.state(PAGES) == {
        "Envoy": "1.40.0",
        "state": "LIVE",
        "runs for": "12s",
        "istiod": "connected",
        "refused updates": "3",
        "clusters": "19",
        "endpoints": "2, 1 ejected",
        "identity": "spiffe://x/ns/default/sa/a",
        "certificate until": "2026-12-01T17:14:15Z",
        "memory": "8.5 MB",
    }


def test_a_proxy_without_a_link_to_istiod_is_told():
    assert (
        proxystate.state({proxystate.STATS: "cluster.xds-grpc;.upstream_cx_active: 0\n"})["istiod"] == "not connected"
    )


def test_what_does_not_answer_says_nothing():
    assert proxystate.state({}) == {}
