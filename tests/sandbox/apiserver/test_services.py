"""Addresses and ports of Services."""

import pytest

MERGE = {"Content-Type": "application/merge-patch+json"}


def service(name="s", **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def test_every_service_has_an_address_of_its_own(ask):
    addresses = {ask("POST", "services", service(name)).body["spec"]["clusterIP"] for name in "abc"}
    assert len(addresses) == 3
    assert all(address.startswith("10.96.") for address in addresses)


def test_a_headless_service_has_none(ask):
    assert ask("POST", "services", service(clusterIP="None")).body["spec"]["clusterIPs"] == ["None"]


def test_an_address_is_given_once(ask):
    taken = ask("POST", "services", service("a")).body["spec"]["clusterIP"]
    answer = ask("POST", "services", service("b", clusterIP=taken))
    assert f"failed to allocate IP {taken}: provided IP is already allocated" in answer.message


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"clusterIP": "192.0.2.1"}, "the provided network does not match the current range"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "The range of valid ports is 30000-32767"),
    ],
    ids=["address", "port"],
)
def test_what_is_out_of_range_is_refused(ask, spec, why):
    assert why in ask("POST", "services", service(**spec)).message


def test_a_service_that_closes_gives_its_port_back_and_keeps_its_address(ask):
    opened = ask("POST", "services", service(type="NodePort")).body["spec"]
    assert 30000 <= opened["ports"][0]["nodePort"] <= 32767
    closed = ask("PATCH", "services/s", {"spec": {"type": "ClusterIP"}}, headers=MERGE).body["spec"]
    assert "nodePort" not in closed["ports"][0]
    assert closed["clusterIP"] == opened["clusterIP"]


def test_a_service_made_anew_has_its_node_port_again(ask):
    first = ask("POST", "services", service("door", type="NodePort")).body["spec"]["ports"][0]["nodePort"]
    other = ask("POST", "services", service("other", type="NodePort")).body["spec"]["ports"][0]["nodePort"]
    ask("DELETE", "services/door")
    assert ask("POST", "services", service("door", type="NodePort")).body["spec"]["ports"][0]["nodePort"] == first
    assert other != first
