"""Pods that a real istiod was asked to inject, and what became of them."""

import json
from functools import cache
from typing import Any

import pytest

from labkit.mesh import injection
from labkit.sandbox.apiserver.objects import decoding, defaults, schemas
from tests import recorded

Object = dict[str, Any]

WEB = {"name": "web", "image": "example.com/web:1", "ports": [{"containerPort": 8080, "name": "http"}]}
PREFIX = 'admission webhook "namespace.sidecar-injector.istio.io" denied the request: '
ADMITTED = ("kube-api-access", "serviceAccount", "tolerations", "priority", "preemptionPolicy", "enableServiceLinks")
"""What admission adds to every pod before any webhook is asked."""


@cache
def answers() -> dict[str, Object]:
    return {entry["case"]: entry for entry in recorded.ISTIO.json_lines("injection/answers.jsonl")}


def cases(*, injected: bool | None = None) -> list[str]:
    return [case for case, entry in answers().items() if injected is None or bool(entry.get("injected")) == injected]


def defaulted(pod: Object) -> Object:
    schema = schemas.builtin("v1", "Pod")
    assert schema is not None
    return defaults.with_defaults(schema, decoding.decode(schema, pod).object, None)


def pod_of(entry: Object) -> Object:
    metadata: Object = {"name": "web", "namespace": entry["namespace"]}
    # The pod's own labels first, and the two that all cases have.
    metadata["labels"] = {"app": "web", "version": "v1", **entry["labels"]}
    metadata["annotations"] = dict(entry["annotations"])
    spec = {"containers": [WEB], **entry["spec"]}
    return defaulted({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def injected(case: str) -> Object | None:
    entry = answers()[case]
    namespace = {"metadata": {"name": entry["namespace"], "labels": entry["namespace_labels"]}}
    pod = injection.inject(pod_of(entry), namespace=namespace)
    return None if pod is None else defaulted(pod)


def proxy_of(pod: Object) -> Object:
    spec = pod["spec"]
    return next(c for c in [*spec["initContainers"], *spec["containers"]] if c["name"] == "istio-proxy")


def own_parts(value: Any) -> Any:
    """A pod without what admission adds."""
    if isinstance(value, list):
        return [
            own_parts(v) for v in value if not (isinstance(v, dict) and str(v.get("name", "")).startswith(ADMITTED))
        ]
    if isinstance(value, dict):
        return {
            k: own_parts(v) for k, v in value.items() if not k.startswith(ADMITTED) and own_parts(v) not in ([], None)
        }
    return value


@pytest.mark.parametrize("case", cases())
def test_a_pod_gets_a_proxy_where_it_did(case: str) -> None:
    entry = answers()[case]
    if entry["status"] != 201:
        with pytest.raises(injection.InjectionError) as refusal:
            injected(case)
        assert PREFIX + str(refusal.value) == entry["message"]
        return
    assert (injected(case) is not None) == entry["injected"]


@pytest.mark.parametrize("case", cases(injected=True))
def test_the_proxy_is_the_recorded_one(case: str) -> None:
    entry, pod = answers()[case], injected(case)
    assert pod is not None
    proxy, spec = proxy_of(pod), pod["spec"]
    assert proxy["args"] == entry["args"]
    assert proxy["image"] == entry["image"]
    assert proxy["resources"] == entry["resources"]
    assert proxy["ports"] == entry["ports"]
    assert proxy.get("restartPolicy") == entry.get("restartPolicy")
    assert proxy.get("lifecycle") == entry.get("lifecycle")
    assert {k: v for k, v in proxy.items() if k.endswith("Probe")} == entry["probes"]
    assert {e["name"]: e.get("value", e.get("valueFrom")) for e in proxy["env"]} == entry["env"]
    assert [c["name"] for c in spec["initContainers"]] == entry["initContainers"]
    assert [c["name"] for c in spec["containers"]] == entry["containers"]
    assert spec["initContainers"][0]["args"] == entry["init_args"]
    assert pod["metadata"]["labels"] == {"app": "web", "version": "v1", **entry["labels_after"]}


@pytest.mark.parametrize("case", cases(injected=True))
def test_annotations_are_the_recorded_ones(case: str) -> None:
    entry, pod = answers()[case], injected(case)
    assert pod is not None
    ours, theirs = dict(pod["metadata"]["annotations"]), dict(entry["annotations_after"])
    overrides = "proxy.istio.io/overrides"
    # The recorded container was seen after admission, which had mounted the token into it.
    here, there = (json.loads(annotations.pop(overrides, "{}")) for annotations in (ours, theirs))
    assert [own_parts(c) for c in here.get("initContainers", [])] == [
        own_parts({**c, "volumeMounts": []}) for c in there.get("initContainers", [])
    ]
    assert ours == theirs


@pytest.mark.parametrize("case", [c for c in cases() if "pod" in answers()[c]])
def test_the_whole_pod_is_the_recorded_one(case: str) -> None:
    theirs, ours = answers()[case]["pod"], injected(case)
    assert ours is not None
    for part in ("containers", "initContainers", "volumes"):
        assert own_parts(ours["spec"][part]) == own_parts(theirs["spec"][part])
    assert ours["metadata"]["annotations"] == theirs["metadata"]["annotations"]
    assert ours["metadata"]["labels"] == theirs["metadata"]["labels"]
