"""What proxies and applications hold, from kubelets' summaries."""

import json

from labkit.telemetry import memory

MB = 1_000_000


def page(*pods):
    return json.dumps(
        {
            "pods": [
                {
                    "podRef": {"namespace": namespace, "name": name},
                    "containers": [
                        {"name": container, "memory": {"workingSetBytes": size}} for container, size in sizes.items()
                    ],
                }
                for namespace, name, sizes in pods
            ]
        }
    ).encode()


NODE = page(
    ("default", "reviews-v1-x", {"reviews": 7 * MB, "istio-proxy": 19 * MB}),
    ("istio-system", "ztunnel-x", {"ztunnel": 30 * MB}),
    ("istio-system", "istiod-x", {"discovery": 60 * MB}),
    ("other", "curl-x", {"curl": 2 * MB}),
)


def test_proxies_count_everywhere_and_applications_in_one_namespace():
    held = memory.of_pages([NODE], namespace="default")
    assert repr(held) == "proxies: 49 MB in 2 containers; applications: 7 MB in 1"


def test_nodes_add_up():
    held = memory.of_pages([NODE, page(("default", "details-v1-x", {"details": 8 * MB}))], namespace="default")
    assert memory.total(held.applications) == 15


def test_the_table_begins_with_the_largest():
    frame = memory.of_pages([NODE], namespace="default").table()
    assert frame["MB"].tolist() == [30.0, 19.0, 7.0]
    assert frame["what"].tolist() == ["proxy", "proxy", "application"]


def test_a_container_of_which_nothing_is_known_holds_nothing():
    bare = json.dumps({"pods": [{"podRef": {"namespace": "default", "name": "a"}, "containers": [{"name": "c"}]}]})
    assert memory.total(memory.of_pages([bare.encode()], namespace="default").applications) == 0
