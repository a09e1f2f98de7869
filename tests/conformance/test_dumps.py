"""A dump of a running Envoy becomes what istiod sent, under the names of the recordings."""

import json

from labkit.conformance import dumps

NAMES = {"127.66.0.7": "POD(reviews-v1)", "127.66.0.70": "POD(curl)", "10.96.0.7": "ClusterIP(mysql)"}


def dump(**parts):
    return json.dumps({"configs": [parts]})


def eds(address):
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": 9080}}}}
    return {"cluster_name": "a", "endpoints": [{"lb_endpoints": [endpoint]}]}


def test_addresses_get_their_names_whole():
    text = dump(
        dynamic_active_clusters=[{"cluster": {"name": "a", "type": "EDS"}}],
        dynamic_endpoint_configs=[{"endpoint_config": eds("127.66.0.70")}],
        dynamic_listeners=[{"active_state": {"listener": {"name": "10.96.0.7_3306"}}}],
    )
    sent = dumps.resources(text, NAMES)
    assert sent["endpoints"]["a"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == {
        "socket_address": {"address": "POD(curl)", "port_value": 9080}
    }
    assert list(sent["listeners"]) == ["ClusterIP(mysql)_3306"]


def test_allocated_addresses_are_one_name():
    route = {"name": "80", "virtual_hosts": [{"domains": ["240.240.0.9", "2001:2::9"]}]}
    sent = dumps.resources(dump(dynamic_route_configs=[{"route_config": route}]), {})
    assert sent["routes"]["80"]["virtual_hosts"][0]["domains"] == ["AutoIPv4", "AutoIPv6"]


def test_what_the_bootstrap_holds_and_addresses_of_fixed_clusters_were_not_sent():
    text = dump(
        static_clusters=[{"cluster": {"name": "xds"}}],
        dynamic_active_clusters=[{"cluster": {"name": "a", "type": "STATIC"}}],
        dynamic_endpoint_configs=[{"endpoint_config": eds("127.66.0.7")}],
    )
    sent = dumps.resources(text, NAMES)
    assert list(sent["clusters"]) == ["a"]
    assert sent["endpoints"] == {}


def test_a_passthrough_by_socket_is_one_by_destination():
    endpoint = {"endpoint": {"address": {"pipe": {"path": "network.sock"}}}}
    cluster = {
        "name": "PassthroughCluster",
        "type": "STATIC",
        "load_assignment": {"endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    sent = dumps.resources(dump(dynamic_active_clusters=[{"cluster": cluster}]), {})
    assert sent["clusters"]["PassthroughCluster"]["type"] == "ORIGINAL_DST"
