"""The filters and the certificates of one Envoy as rows."""

from labkit.telemetry import proxies

FILTERS = {"typed_config": {"http_filters": [{"name": "rbac"}, {"name": "router"}]}}
LISTENER = {
    "name": "virtualInbound",
    "filter_chains": [{"name": "0.0.0.0_9080", "filters": [FILTERS]}, {"filters": []}],
}
DUMP = {
    "configs": [
        {"dynamic_listeners": [{"active_state": {"listener": LISTENER}}, {"warming_state": {}}]},
        {"dynamic_active_secrets": [{"name": "default", "secret": {"tls_certificate": {}}}]},
        {"dynamic_warming_secrets": [{"name": "ROOTCA", "secret": {"validation_context": {}}}]},
    ]
}


def test_filters_stand_in_the_order_of_a_request():
    assert proxies.filter_rows(DUMP) == [
        ("virtualInbound", "0.0.0.0_9080", 1, "rbac"),
        ("virtualInbound", "0.0.0.0_9080", 2, "router"),
    ]


def test_secrets_have_names_and_kinds_and_no_contents():
    assert proxies.secret_rows(DUMP) == [("ROOTCA", "authority", "warming"), ("default", "certificate", "active")]
