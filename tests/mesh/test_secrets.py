"""Which Secrets a gateway is given."""

from typing import Any

import pytest

from labkit.mesh import compiler, model
from labkit.mesh.listeners import gateways

PROXY = model.Proxy(name="gateway", namespace="edge", role="router", ip="127.66.1.1", labels={"istio": "gw"})


def secret(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert", "namespace": namespace},
        "data": {"tls.crt": "Y3J0", "tls.key": "a2V5"},
    }


def gateway(credential: str, **annotations: str) -> dict[str, Any]:
    server = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["*"],
        "tls": {"mode": "SIMPLE", "credentialName": credential},
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "entry", "namespace": "edge", "annotations": annotations},
        "spec": {"selector": {"istio": "gw"}, "servers": [server]},
    }


def given(*objects: dict[str, Any]) -> set[str]:
    """Names of the Secrets that the proxy is sent; one is in its namespace, one elsewhere."""
    result = {
        "services": [service()],
        "secrets": [secret("edge"), secret("bank")],
        "gateways.networking.istio.io": list(objects),
    }
    return set(compiler.index(model.Snapshot(objects=result)).for_proxy(PROXY).secrets)


def service() -> dict[str, Any]:
    spec = {"clusterIP": "10.96.0.7", "selector": {"istio": "gw"}, "ports": [{"name": "https", "port": 443}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gw", "namespace": "edge"}, "spec": spec}


@pytest.mark.parametrize(
    ("credential", "name"),
    [("cert", "kubernetes://cert"), ("kubernetes-gateway://edge/cert", "kubernetes-gateway://edge/cert")],
)
def test_a_gateway_has_the_secrets_of_its_own_namespace(credential: str, name: str) -> None:
    assert given(gateway(credential)) == {name}


def test_naming_a_secret_of_another_namespace_does_not_give_it() -> None:
    assert given(gateway("kubernetes-gateway://bank/cert")) == set()


def test_a_reference_that_the_gateway_api_verified_does() -> None:
    door = gateway("kubernetes-gateway://bank/cert", **{gateways.SERVICE: "gw.edge.svc.cluster.local"})
    assert given(door) == {"kubernetes-gateway://bank/cert"}
