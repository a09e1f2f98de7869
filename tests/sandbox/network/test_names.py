"""Names as a pod's resolver and CoreDNS take them."""

from typing import Any

import pytest

from labkit.sandbox.network import names


def service(name: str, ip: str = "10.96.0.7", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": ip, **spec}}


def endpoint(address: str, *, hostname: str = "", ready: bool = True) -> dict[str, Any]:
    result: dict[str, Any] = {"addresses": [address], "conditions": {"ready": ready}}
    return {**result, "hostname": hostname} if hostname else result


def entry(name: str, *hosts: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"hosts": list(hosts), **spec}}


SERVICES = {
    s["metadata"]["name"]: s
    for s in (
        service("web"),
        service("db", "None"),
        service("early", "None", publishNotReadyAddresses=True),
        service("far", "", type="ExternalName", externalName="api.example.com"),
        service("near", "", type="ExternalName", externalName="web.shop.svc.cluster.local"),
        service("loop", "", type="ExternalName", externalName="loop.shop.svc.cluster.local"),
    )
}
SLICES = {
    "db": [endpoint("127.66.0.4", hostname="db-0"), endpoint("127.66.0.5", ready=False)],
    "early": [endpoint("127.66.0.6", ready=False)],
}
ENTRIES = [
    entry("auto", "auto.example.com", resolution="DNS"),
    entry("own", "own.example.com", resolution="STATIC", addresses=["192.0.2.7"]),
    entry("net", "net.example.com", resolution="STATIC", addresses=["192.0.2.0/24"]),
    entry("none", "none.example.com", resolution="NONE"),
]


class Cluster:
    def service_object(self, namespace: str, name: str) -> Any:
        return SERVICES.get(name) if namespace == "shop" else None

    def slices_of(self, namespace: str, name: str) -> Any:
        return [{"endpoints": SLICES.get(name, [])}]

    def entry(self, host: str) -> Any:
        return next((e for e in ENTRIES if host in e["spec"]["hosts"]), None)


def pod(namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "Me-0", "namespace": namespace}, "spec": spec}


def lookup(host: str, *, sidecar: bool = True, **spec: Any) -> Any:
    """The addresses, or the name that is asked for outside, or None: no such name."""
    resolver = names.resolver_of(pod(spec.pop("namespace", "shop"), **spec), "127.66.0.2", has_proxy=sidecar)
    for step in names.steps(host, resolver, Cluster()):
        if isinstance(step, names.Outside):
            return step.name
        if step:
            return list(step)
    return None


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("web", ["10.96.0.7"]),
        ("WEB.shop", ["10.96.0.7"]),
        ("web.shop.svc", ["10.96.0.7"]),
        ("web.shop.svc.cluster.local", ["10.96.0.7"]),
        ("web.shop.svc.cluster.local.", ["10.96.0.7"]),
        ("web.", "web"),
        ("web.other", "web.other"),
        ("web.other.svc.cluster.local.", None),
        ("a.b.web.shop.svc.cluster.local.", None),
        ("nosuch", "nosuch"),
        ("db", ["127.66.0.4"]),
        ("db-0.db", ["127.66.0.4"]),
        ("127-66-0-4.db", ["127.66.0.4"]),
        ("db-1.db", "db-1.db"),
        ("early", ["127.66.0.6"]),
        ("10-96-0-9.shop.pod.cluster.local", ["10.96.0.9"]),
        ("far", "api.example.com"),
        ("near", ["10.96.0.7"]),
        ("loop.shop.svc.cluster.local.", None),
        ("localhost", ["127.0.0.1"]),
        ("me-0", ["127.66.0.2"]),
        ("192.0.2.9", ["192.0.2.9"]),
        ("api.example.com", "api.example.com"),
        ("own.example.com", ["192.0.2.7"]),
        ("net.example.com", "net.example.com"),
        ("none.example.com", "none.example.com"),
    ],
)
def test_a_name_in_a_pod_of_the_mesh(host: str, answer: Any) -> None:
    assert lookup(host) == answer


def test_an_entry_without_an_address_is_given_one_and_keeps_it() -> None:
    (address,) = lookup("auto.example.com")
    assert address.startswith("240.240.")
    assert lookup("auto.example.com") == [address]
    assert lookup("auto.example.com", sidecar=False) == "auto.example.com"


@pytest.mark.parametrize(
    ("host", "spec", "answer"),
    [
        ("db", {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["DB", "x.y"]}]}, ["192.0.2.1"]),
        ("x.y", {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["x.y"]}]}, ["192.0.2.1"]),
        ("web", {"dnsPolicy": "Default"}, "web"),
        ("web.shop.svc.cluster.local", {"dnsPolicy": "None"}, "web.shop.svc.cluster.local"),
        ("web", {"namespace": "other", "dnsConfig": {"searches": ["shop.svc.cluster.local"]}}, ["10.96.0.7"]),
        ("web.shop", {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}, "web.shop"),
        ("boss", {"hostname": "boss"}, ["127.66.0.2"]),
        ("boss.db.shop.svc.cluster.local", {"hostname": "boss", "subdomain": "db"}, ["127.66.0.2"]),
    ],
    ids=["alias", "alias-with-a-dot", "default", "none", "searches", "ndots", "hostname", "subdomain"],
)
def test_the_pod_says_how_it_asks(host: str, spec: Any, answer: Any) -> None:
    assert lookup(host, **spec) == answer
