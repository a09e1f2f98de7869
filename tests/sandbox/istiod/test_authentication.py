"""Whose proxy a token makes: its own pod's, at its own address, and nobody else's."""

import asyncio
from typing import Any

import pytest

from labkit.mesh.sandboxed import Ports
from labkit.sandbox.istiod import authentication

POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "serviceAccountName": "web",
        "initContainers": [{"name": "istio-init", "args": ["-b", "*", "-d", "15020,8443"]}],
        "containers": [{"ports": [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]}],
    },
    "status": {"podIP": "127.66.0.2"},
}


class Api:
    """An API server that knows one token."""

    def __init__(self, bound: str) -> None:
        self._bound = bound

    async def create(self, resource: Any, review: Any) -> Any:
        user = {"username": "system:serviceaccount:shop:web", "extra": {authentication.POD: [self._bound]}}
        return {"status": {"authenticated": review["spec"]["token"] == "good", "user": user}}


class Followed:
    def get(self, resource: Any, name: str, namespace: str) -> Any:
        return POD if (namespace, name) == ("shop", "web-1") else {**POD, "metadata": {"name": name}}


def proxy(node: str, *, token: str = "good", bound: str = "web-1", **metadata: str) -> Any:
    asker = authentication.Authenticator(Api(bound), Followed())  # type: ignore[arg-type]
    asked = {"id": node, "metadata": metadata}
    return asyncio.run(asker.proxy({"authorization": f"Bearer {token}"}, asked))


def node(name: str = "web-1", ip: str = "127.66.0.2", namespace: str = "shop") -> str:
    return f"sidecar~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"


def test_a_proxy_is_where_its_pod_is() -> None:
    own_proxy = proxy(node(), LABKIT_NODE_IP="127.0.0.1")
    assert (own_proxy.name, own_proxy.service_account, own_proxy.ip) == ("web-1", "web", "127.66.0.2")
    assert (own_proxy.place.ports, own_proxy.place.node_ip) == (frozenset({8080}), "127.0.0.1")
    assert own_proxy.place.captured == Ports(excluded=frozenset({15020, 8443}))


def test_a_proxy_of_another_cluster_has_istios_own_addresses() -> None:
    assert proxy(node()).place is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"token": "bad"}, "not one of a service account"),
        ({"bound": "web-2"}, "the token is that of pod web-2, not of web-1"),
        ({"node": node(ip="127.66.0.9")}, "has the address 127.66.0.2, not 127.66.0.9"),
        ({"node": node(namespace="other")}, "is not a pod of service account shop/web"),
    ],
    ids=["another-token", "another-pods-token", "another-address", "another-namespace"],
)
def test_nobody_is_told_what_is_another_proxys(fields: dict[str, str], why: str) -> None:
    with pytest.raises(PermissionError, match=why):
        proxy(**{"node": node(), **fields})
