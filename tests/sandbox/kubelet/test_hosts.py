"""Files that tell a pod who and where it is."""

import pytest

from labkit.sandbox.kubelet import hosts


def pod(name="web-1", **spec):
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def lines(text):
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, ["web-1"]),
        ({"hostname": "my-host"}, ["my-host"]),
        ({"hostname": "my-host", "subdomain": "sub"}, ["my-host.sub.shop.svc.cluster.local", "my-host"]),
        ({"subdomain": "sub"}, ["web-1.sub.shop.svc.cluster.local", "web-1"]),
    ],
    ids=["none", "host name", "both", "subdomain"],
)
def test_a_pod_is_called_what_its_spec_says(spec, names):
    assert ["127.66.0.2", *names] in lines(hosts.hosts(pod(**spec), "127.66.0.2", []))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"subdomain": "sub", "setHostnameAsFQDN": True}, "web-1.sub.shop.svc.cluster.local"),
        ({"setHostnameAsFQDN": True}, "web-1"),
        ({"hostname": "a", "hostnameOverride": "b.test"}, "b.test"),
    ],
)
def test_the_kernels_name_may_be_another(spec, name):
    assert hosts.host_name(pod(**spec)) == name


def test_a_long_name_is_cut_to_what_a_host_may_have():
    assert hosts.host_name(pod("a" * 62 + "-b")) == "a" * 62


def test_localhost_is_the_pod_and_not_the_machine():
    result = lines(hosts.hosts(pod(), "127.66.0.2", ["127.67.0.2", "127.66.0.2"]))
    assert [line[0] for line in result if "localhost" in line] == ["127.67.0.2", "127.66.0.2"]


def test_aliases_are_hosts():
    aliases = [{"ip": "10.96.0.99", "hostnames": ["alias.test", "other.test"]}]
    assert ["10.96.0.99", "alias.test", "other.test"] in lines(hosts.hosts(pod(hostAliases=aliases), "127.66.0.2", []))


OWN = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 9.9.9.9\noptions ndots:5\n"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, OWN),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.53"], "searches": ["x.test"]}},
            "search x.test\nnameserver 10.0.0.53\n",
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
            OWN.replace("ndots:5", "ndots:2 edns0"),
        ),
    ],
    ids=["the cluster's", "none but its own", "options over the cluster's"],
)
def test_names_are_looked_up_as_the_pod_says(spec, text):
    assert hosts.resolv_conf(pod(**spec), name_server="9.9.9.9") == text
