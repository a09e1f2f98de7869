"""Which Secrets a gateway is given."""

from collections.abc import Container
from dataclasses import replace
from typing import Any

import pytest

from labkit.mesh import compiler, model, secrets
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


def config(*objects: dict[str, Any], readers: Container[secrets.Account] | None = None) -> model.Config:
    """What the proxy is sent; one Secret is in its namespace, one elsewhere."""
    every = {
        "services": [service()],
        "secrets": [secret("edge"), secret("bank")],
        "gateways.networking.istio.io": list(objects),
    }
    return compiler.index(model.Snapshot(objects=every, secret_readers=readers)).for_proxy(PROXY)


def given(*objects: dict[str, Any]) -> set[str]:
    """Names of the Secrets that the proxy is sent."""
    return set(config(*objects).secrets)


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


ACCOUNT = PROXY.namespace, PROXY.service_account


@pytest.mark.parametrize(
    ("credential", "readers", "sent", "denied"),
    [
        pytest.param("cert", {ACCOUNT}, ["kubernetes://cert"], (), id="its account may list Secrets"),
        pytest.param("cert", (), [], ("cert",), id="it may not"),
        pytest.param("none", (), [], ("none",), id="it may not, and there is no such Secret"),
        pytest.param("cert", {("edge", "other")}, [], ("cert",), id="another account may"),
        pytest.param(
            "kubernetes-gateway://edge/cert",
            (),
            ["kubernetes-gateway://edge/cert"],
            (),
            id="a reference of the Gateway API asks for no right",
        ),
        pytest.param(
            "kubernetes-gateway://bank/cert", {ACCOUNT}, [], ("cert",), id="a right does not reach other namespaces"
        ),
    ],
)
def test_a_gateways_account_must_be_able_to_list_secrets(
    credential: str, readers: Container[secrets.Account], sent: list[str], denied: tuple[str, ...]
) -> None:
    result = config(gateway(credential), readers=readers)
    assert (list(result.secrets), result.denied_secrets) == (sent, denied)


def test_authorities_are_public() -> None:
    server = gateway("cert")["spec"]["servers"][0]
    mutual = gateway("cert")
    mutual["spec"]["servers"] = [{**server, "tls": {"mode": "MUTUAL", "credentialName": "cert"}}]
    trusted = secret("edge")
    trusted["data"]["ca.crt"] = "Y2E="
    objects = {"services": [service()], "secrets": [trusted], "gateways.networking.istio.io": [mutual]}
    result = compiler.index(model.Snapshot(objects=objects, secret_readers=())).for_proxy(PROXY)
    assert (list(result.secrets), result.denied_secrets) == (["kubernetes://cert-cacert"], ("cert",))


SIDECAR = replace(PROXY, name="web", role="sidecar", service_account="web")
RULE = {"kind": "DestinationRule", "spec": {"host": "bank", "trafficPolicy": {"tls": {"credentialName": "cert"}}}}


@pytest.mark.parametrize(
    ("objects", "accounts"),
    [
        pytest.param({}, set(), id="nobody names a Secret"),
        pytest.param({"gateways.networking.istio.io": [gateway("cert")]}, {ACCOUNT}, id="a Gateway does"),
        pytest.param(
            {"destinationrules.networking.istio.io": [RULE]}, {ACCOUNT, ("edge", "web")}, id="a DestinationRule does"
        ),
        pytest.param(
            {"ingresses.networking.k8s.io": [{"spec": {"tls": [{"secretName": "cert"}]}}]}, {ACCOUNT}, id="an Ingress"
        ),
    ],
)
def test_accounts_are_asked_about_only_where_somebody_names_a_secret(
    objects: dict[str, Any], accounts: set[secrets.Account]
) -> None:
    assert secrets.readers_asked(model.Snapshot(objects=objects), [PROXY, SIDECAR]) == accounts
