"""The cluster on which the scenes were recorded, as far as analyzers look at it."""

import json

import yaml

from labkit.base import settings

VERSION = "docker.io/istio/proxyv2:1.31.1"
VALUES = {"global": {"hub": "docker.io/istio", "tag": "1.31.1", "proxy": {"image": "proxyv2"}}}
PENDING = {
    "type": "Programmed",
    "status": "False",
    "reason": "AddressNotAssigned",
    "message": "Assigned to service(s) g-istio.default.svc.cluster.local:80, but failed to assign to all requested "
    'addresses: address pending for hostname "g-istio.default.svc.cluster.local"',
}
"""What istiod wrote about the Gateway that waits for an address."""


def base():
    """Bookinfo and its gateway in default, curl and httpbin in two more namespaces."""
    manifests = settings.CHECKOUT / "notebooks" / "manifests"
    for name in ("bookinfo.yaml", "bookinfo-gateway.yaml"):
        # The recorded cluster had the sample's Gateway, on port 8080; the course's is on port 80.
        text = (manifests / name).read_text().replace("number: 80,", "number: 8080,")
        yield from (placed(obj) for obj in yaml.safe_load_all(text) if obj)
    for namespace, labels in (("default", True), ("other", True), ("legacy", False), ("istio-system", False)):
        injected = {"istio-injection": "enabled"} if labels else {}
        yield {"kind": "Namespace", "metadata": {"name": namespace, "labels": injected}}
        for app in ("curl", "httpbin") if namespace in ("other", "legacy") else ():
            port = [{"name": "http", "port": 80 if app == "curl" else 8000}]
            yield placed({"kind": "Service", "metadata": {"name": app}, "spec": {"ports": port}}, namespace)
            yield pod(app, {"app": app}, namespace, proxy=labels)
    for app, version in (
        ("details", "v1"),
        ("productpage", "v1"),
        ("ratings", "v1"),
        *(("reviews", f"v{n}") for n in (1, 2, 3)),
    ):
        yield pod(f"{app}-{version}-HASH", {"app": app, "version": version}, "default")
    yield from edge()
    for name, data in (("istio", {"mesh": ""}), ("istio-sidecar-injector", {"values": json.dumps(VALUES)})):
        yield placed({"kind": "ConfigMap", "metadata": {"name": name}, "data": data}, "istio-system")


def edge():
    """The ingress gateway."""
    labels = {"istio": "ingressgateway"}
    ports = [{"name": n, "port": p, "targetPort": t} for n, p, t in (("http2", 80, 8080), ("https", 443, 8443))]
    spec = {"selector": labels, "ports": ports}
    yield placed({"kind": "Service", "metadata": {"name": "istio-ingressgateway"}, "spec": spec}, "istio-system")
    yield pod("ingress", labels, "istio-system")


def pod(name, labels, namespace, *, proxy=True):
    containers = [{"name": "app"}, *([{"name": "istio-proxy", "image": VERSION}] if proxy else [])]
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def placed(obj, namespace="default"):
    if obj["kind"] == "Namespace":
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": obj["metadata"].get("namespace", namespace)}}


def stored(obj):
    """An object as a cluster holds it: pods of Deployments, proxies of pods, statuses of istiod's."""
    yield obj
    kind, namespace = obj["kind"], obj["metadata"].get("namespace")
    if kind == "Deployment":
        metadata = {**obj["spec"]["template"]["metadata"], "name": f"{obj['metadata']['name']}-HASH"}
        template = {**obj["spec"]["template"], "kind": "Pod", "metadata": {**metadata, "namespace": namespace}}
        template["spec"] = {"containers": [{"name": "istio-proxy", "image": VERSION}, *template["spec"]["containers"]]}
        yield template
    if kind == "Pod" and namespace == "default":
        proxy = {"name": "istio-proxy", "image": VERSION}
        yield {**obj, "spec": {**obj["spec"], "containers": [*obj["spec"]["containers"], proxy]}}
    if kind == "ServiceEntry":
        yield {**obj, "status": {"addresses": [{"value": "240.240.0.1"}]}}
    if kind == "Gateway" and obj["apiVersion"].startswith("gateway.networking"):
        yield {**obj, "status": {"conditions": [PENDING]}}


def applied(objects):
    """The cluster after the objects were applied."""
    everything = [*base(), *(one for obj in map(placed, objects) for one in stored(obj))]
    return {identity(obj): obj for obj in everything}.values()


def identity(obj):
    metadata, is_gateway_api = obj["metadata"], str(obj.get("apiVersion")).startswith("gateway.networking")
    return is_gateway_api, obj["kind"], metadata.get("namespace"), metadata["name"]
