"""Certificates in files: what a proxy's container mounts is what ``file-cert:`` and ``file-root:`` mean."""

import base64
from typing import Any

import pytest

from labkit.mesh import model, secrets

PROXY = model.Proxy(name="client", namespace="default", role="sidecar", ip="127.0.0.1")
CERTIFICATE, ROOT = "file-cert:/etc/certs/tls.crt~/etc/certs/tls.key", "file-root:/etc/trust/ca.pem"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def obj(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "default"}, **fields}


SHOP = obj("Secret", "shop", data={"tls.crt": encoded("chain"), "tls.key": encoded("key")})
TRUST = obj("ConfigMap", "trust", data={"root": "root", "other": "other"})


def pod(volumes: list[Any], mounts: list[Any]) -> dict[str, Any]:
    containers = [{"name": "app"}, {"name": "istio-proxy", "volumeMounts": mounts}]
    return obj("Pod", "client", spec={"containers": containers, "volumes": volumes})


def sent(*names: str, pods: list[Any], others: list[Any] = [SHOP, TRUST]) -> dict[str, Any]:  # noqa: B006
    objects = {"pods": pods, "secrets": [o for o in others if o["kind"] == "Secret"]}
    objects["configmaps"] = [o for o in others if o["kind"] == "ConfigMap"]
    return dict(secrets.granted_to(names, model.Snapshot(objects=objects), PROXY).secrets)


CERTS = {"name": "certs", "mountPath": "/etc/certs/"}
TRUSTED = {"name": "trust", "mountPath": "/etc/trust"}


def test_a_certificate_comes_from_the_secret_that_the_proxy_mounts() -> None:
    given = sent(CERTIFICATE, pods=[pod([{"name": "certs", "secret": {"secretName": "shop"}}], [CERTS])])
    chain, key = {"inline_bytes": encoded("chain")}, {"inline_bytes": encoded("key")}
    assert given[CERTIFICATE]["tls_certificate"] == {"certificate_chain": chain, "private_key": key}


def test_a_root_comes_from_a_config_map_under_the_path_that_its_items_say() -> None:
    volume = {"name": "trust", "configMap": {"name": "trust", "items": [{"key": "root", "path": "ca.pem"}]}}
    given = sent(ROOT, pods=[pod([volume], [TRUSTED])])
    assert given[ROOT]["validation_context"] == {"trusted_ca": {"inline_bytes": encoded("root")}}


def test_a_part_of_a_projected_volume_is_one_file() -> None:
    volume = {"name": "trust", "projected": {"sources": [{"configMap": {"name": "trust"}}]}}
    mount = {"name": "trust", "mountPath": "/etc/trust/ca.pem", "subPath": "root"}
    assert sent(ROOT, pods=[pod([volume], [mount])])[ROOT]["validation_context"]["trusted_ca"] == {
        "inline_bytes": encoded("root")
    }


def test_a_file_that_a_program_writes_is_read_by_envoy_itself() -> None:
    given = sent(ROOT, pods=[pod([{"name": "trust", "emptyDir": {}}], [TRUSTED])])
    assert given[ROOT]["validation_context"] == {"trusted_ca": {"filename": "/etc/trust/ca.pem"}}


NOWHERE = {
    "no pod": [],
    "no mount": [pod([{"name": "certs", "secret": {"secretName": "shop"}}], [])],
    "a Secret that is not there": [pod([{"name": "certs", "secret": {"secretName": "gone"}}], [CERTS])],
    "another folder": [pod([{"name": "certs", "secret": {"secretName": "shop"}}], [{**CERTS, "mountPath": "/x"}])],
}


@pytest.mark.parametrize("pods", NOWHERE.values(), ids=NOWHERE)
def test_a_file_that_is_not_there_is_never_sent(pods: list[Any]) -> None:
    assert sent(CERTIFICATE, pods=pods) == {}


REVOKED = {
    "a Secret for TLS": {"ca.crt": encoded("root"), "ca.crl": encoded("revoked")},
    "a generic one": {"cacert": encoded("root"), "crl": encoded("revoked")},
}


@pytest.mark.parametrize("data", REVOKED.values(), ids=REVOKED)
def test_a_secret_says_which_certificates_are_revoked(data: dict[str, str]) -> None:
    given = sent("kubernetes://shop-cacert", pods=[], others=[obj("Secret", "shop", data=data)])
    context = given["kubernetes://shop-cacert"]["validation_context"]
    assert context == {"trusted_ca": {"inline_bytes": encoded("root")}, "crl": {"inline_bytes": encoded("revoked")}}
