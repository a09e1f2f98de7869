"""What ``istioctl analyze`` 1.31.1 said of 46 scenes on a cluster with Bookinfo, code by code and word by word."""

import gzip
import json
import re
from pathlib import Path

import pytest
import yaml

from labkit.base import settings
from labkit.mesh.analysis import Snapshot, analyze

RECORDED = (Path(__file__).parent / "answers.jsonl.gz").read_bytes()
CASES = [json.loads(line) for line in gzip.decompress(RECORDED).splitlines()]

NOT_ANALYZED = {
    "IST0002": "deprecated fields: said when they are applied",
    "IST0107": "annotations in the wrong place",
    "IST0108": "unknown annotations",
    "IST0133": "schema warnings: said when an object is applied",
    "IST0135": "deprecated annotations",
    "IST0137": "Deployments in several Services",
    "IST0144": "applications that run as the proxy's user",
    "IST0151": "EnvoyFilters without a priority",
    "IST0158": "proxies of another version",
    "IST0171": "conditions: lab.analyze reads them itself",
}
"""Codes that the analysis leaves out, and what they are about."""


def base():
    """Bookinfo and its gateway in default, curl and httpbin in two more namespaces: the scene of the recording."""
    manifests = settings.CHECKOUT / "notebooks" / "manifests"
    for name in ("bookinfo.yaml", "bookinfo-gateway.yaml"):
        yield from (placed(obj) for obj in yaml.safe_load_all((manifests / name).read_text()) if obj)
    for namespace, labels in (("default", True), ("other", True), ("legacy", False), ("istio-system", False)):
        injected = {"istio-injection": "enabled"} if labels else {}
        yield {"kind": "Namespace", "metadata": {"name": namespace, "labels": injected}}
        for app in ("curl", "httpbin") if namespace in ("other", "legacy") else ():
            port = [{"name": "http", "port": 80 if app == "curl" else 8000}]
            yield placed({"kind": "Service", "metadata": {"name": app}, "spec": {"ports": port}}, namespace)
            yield pod(app, {"app": app}, namespace, proxy=labels)
    yield pod("ingress", {"istio": "ingressgateway"}, "istio-system")
    for app, version in (
        ("details", "v1"),
        ("productpage", "v1"),
        ("ratings", "v1"),
        *(("reviews", f"v{n}") for n in (1, 2, 3)),
    ):
        yield pod(f"{app}-{version}-HASH", {"app": app, "version": version}, "default")


def pod(name, labels, namespace, *, proxy=True):
    containers = [{"name": "istio-proxy"}] if proxy else [{"name": "app"}]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": containers},
    }


def placed(obj, namespace="default"):
    if obj["kind"] == "Namespace":
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": obj["metadata"].get("namespace", namespace)}}


def together(case):
    """The base with the case's objects in the place of those of the same name."""
    objects = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in base()}
    objects |= {
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in map(placed, case["objects"])
    }
    return Snapshot(objects.values())


def plain(text):
    return re.sub(r"reviews-v(\d)-[a-z0-9]+-[a-z0-9]+", r"reviews-v\1-HASH", text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_istios_messages_are_said(case):
    if any("denied the request" in line for line in case["applied"]["refused_or_warned"]):
        return  # it was never stored
    expected = {
        (m["code"], m["level"], m["origin"], plain(m["message"]))
        for m in case["applied"]["messages"]
        if m["code"] not in NOT_ANALYZED
    }
    said = {(m.code, m.level, m.origin, plain(m.text)) for m in analyze(together(case))}
    assert said == expected


def test_a_mirror_to_a_missing_subset_is_a_missing_subset():
    mirror = {"host": "reviews", "subset": "v4"}
    route = [{"destination": {"host": "reviews"}}]
    spec = {"hosts": ["reviews"], "http": [{"mirror": mirror, "route": route}]}
    service = {"kind": "VirtualService", "metadata": {"name": "reviews", "namespace": "default"}, "spec": spec}
    (message,) = [m for m in analyze(together({"objects": [service]})) if m.code == "IST0101"]
    assert message.text == 'Referenced host+subset in destinationrule not found: "reviews+v4"'


def test_a_host_may_be_written_with_its_namespace():
    route = [{"destination": {"host": "httpbin.other"}}, {"destination": {"host": "httpbin.other.svc.cluster.local"}}]
    spec = {"hosts": ["h.example.com"], "http": [{"route": route}]}
    service = {"kind": "VirtualService", "metadata": {"name": "h", "namespace": "default"}, "spec": spec}
    assert [m.text for m in analyze(together({"objects": [service]})) if m.code == "IST0101"] == []
