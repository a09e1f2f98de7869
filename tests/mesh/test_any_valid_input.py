"""Whatever valid objects say, a real Envoy takes what they become: as a sidecar, and as each gateway there is."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import compiler
from tests.mesh import envoys, inputs, vocabulary

Object = dict[str, Any]
FOLDER = Path(__file__).parent
SCENE = [scene.with_namespace(o) for o in manifests.read(FOLDER / "golden" / "scene.yaml")]
MANY = settings(
    deadline=None,
    max_examples=75,
    suppress_health_check=list(HealthCheck),
    # To make an example small takes minutes; Envoy's words lead to what is wrong with a large one too.
    phases=set(Phase) - {Phase.shrink, Phase.explain},
)

ISTIO, GATEWAY_API = "networking.istio.io/v1", "gateway.networking.k8s.io/v1"
VIRTUAL_SERVICES, DESTINATION_RULES, GATEWAYS, SERVICE_ENTRIES, WORKLOAD_ENTRIES, SIDECARS = (
    inputs.objects(ISTIO, kind)
    for kind in ("VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "Sidecar")
)
HTTP_ROUTES, GRPC_ROUTES, KUBERNETES_GATEWAYS = (
    inputs.objects(GATEWAY_API, kind) for kind in ("HTTPRoute", "GRPCRoute", "Gateway")
)
PEER_AUTHENTICATIONS = inputs.objects("security.istio.io/v1", "PeerAuthentication")
TELEMETRIES = inputs.objects("telemetry.istio.io/v1", "Telemetry")


def secret(namespace: str) -> Object:
    pair = envoys.certificate("shop.example.com")
    texts = {
        "tls.crt": pair["certificate_chain"],
        "tls.key": pair["private_key"],
        "ca.crt": pair["certificate_chain"],
    }
    data = {name: base64.b64encode(text["inline_string"].encode()).decode() for name, text in texts.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop", "namespace": namespace},
        "data": data,
    }


SECRETS = [secret("default"), secret("istio-system")]


def objections(objects: Iterable[Object], sidecar: envoys.Judge, gateway: envoys.Judge) -> dict[str, Any]:
    """Proxy → what its Envoy refuses of what it is told, and what it has not taken."""
    result = envoys.numbered(scene.snapshot([*SCENE, *SECRETS, *map(scene.with_namespace, objects)]))
    index, there = compiler.index(result), scene.proxies(result)
    judges = {name: gateway for name, proxy in there.items() if proxy.role == "router"} | {"client": sidecar}
    text: dict[str, Any] = {}
    for name, judge in judges.items():
        config = index.for_proxy(judge.proxy(there[name]))
        verdict = judge.judge(config)
        if verdict != envoys.Verdict(refused={}, taken=envoys.names(config)):
            text[name] = verdict.refused or envoys.names(config) ^ verdict.taken
    return text


@MANY
@given(st.tuples(vocabulary.MESHES, VIRTUAL_SERVICES, VIRTUAL_SERVICES, DESTINATION_RULES, SERVICE_ENTRIES))
def test_rules_of_the_mesh(sidecar: envoys.Judge, gateway: envoys.Judge, objects: tuple[Object, ...]) -> None:
    assert not objections(objects, sidecar, gateway)


@MANY
@given(st.tuples(vocabulary.SERVICES, DESTINATION_RULES, DESTINATION_RULES, SERVICE_ENTRIES, WORKLOAD_ENTRIES))
def test_hosts_and_their_policies(sidecar: envoys.Judge, gateway: envoys.Judge, objects: tuple[Object, ...]) -> None:
    assert not objections(objects, sidecar, gateway)


@MANY
@given(st.tuples(SIDECARS, PEER_AUTHENTICATIONS, TELEMETRIES, vocabulary.SERVICES, VIRTUAL_SERVICES))
def test_what_one_workload_is_told(sidecar: envoys.Judge, gateway: envoys.Judge, objects: tuple[Object, ...]) -> None:
    assert not objections(objects, sidecar, gateway)


@MANY
@given(st.tuples(GATEWAYS, GATEWAYS, VIRTUAL_SERVICES, VIRTUAL_SERVICES))
def test_gateways(sidecar: envoys.Judge, gateway: envoys.Judge, objects: tuple[Object, ...]) -> None:
    assert not objections(objects, sidecar, gateway)


@MANY
@given(st.tuples(KUBERNETES_GATEWAYS, HTTP_ROUTES, GRPC_ROUTES, VIRTUAL_SERVICES))
def test_the_gateway_api(sidecar: envoys.Judge, gateway: envoys.Judge, objects: tuple[Object, ...]) -> None:
    assert not objections(objects, sidecar, gateway)


ONCE: dict[str, list[Object]] = yaml.safe_load((FOLDER / "once_refused.yaml").read_text())
STILL: dict[str, Object] = yaml.safe_load((FOLDER / "still_refused.yaml").read_text())


def valid(text: Object) -> Object:
    metadata = {"name": text.get("name", "it"), "namespace": "default"}
    version = text.get("apiVersion", ISTIO)
    obj = inputs.stored({"apiVersion": version, "kind": text["kind"], "metadata": metadata, "spec": text["spec"]})
    assert obj is not None
    return obj


@pytest.mark.parametrize("objects", ONCE.values(), ids=ONCE)
def test_what_was_once_refused_is_taken(sidecar: envoys.Judge, gateway: envoys.Judge, objects: list[Object]) -> None:
    assert not objections(map(valid, objects), sidecar, gateway)


@pytest.mark.parametrize("message", STILL.values(), ids=STILL)
def test_what_is_passed_on_and_refused_has_a_reason(
    sidecar: envoys.Judge, gateway: envoys.Judge, message: Object
) -> None:
    result = objections([valid(message)], sidecar, gateway)
    assert result
    assert [text for refused in result.values() for text in refused.values() if message["says"] not in text] == []
