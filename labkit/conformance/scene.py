"""The scene in which the answers were recorded, as a snapshot: pods and endpoints without a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources as files
from typing import Any

from labkit.install import bookinfo, gateway, istio
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh import gateway_api, ingress
from labkit.mesh.ambient import waypoints
from labkit.mesh.hosts import workloads
from labkit.mesh.model import Proxy, Snapshot

CREATED = "2026-11-01T00:00:00Z"
"""Of every object: where the older wins, the name decides, as in the recordings."""

API_PORT = "16443"
"""Where the API server of the recordings listened."""

NODE = "node-1"
"""Where every pod of the recordings ran."""

SAMPLE_PORT = 8080
"""Which port Istio's own sample of Bookinfo's Gateway names."""

POD_NAMES = {
    "productpage-v1": "productpage",
    "details-v1": "details",
    "ratings-v1": "ratings",
    "istio-ingressgateway": "ingressgateway",
}
"""Deployments whose pods the recordings call otherwise."""

PLURALS = {
    ("Gateway", "gateway.networking.k8s.io"): "gateways.gateway.networking.k8s.io",
    ("Endpoints", ""): "endpoints",
    ("EndpointSlice", "discovery.k8s.io"): "endpointslices.discovery.k8s.io",
    ("ServiceEntry", "networking.istio.io"): "serviceentries.networking.istio.io",
    ("WorkloadEntry", "networking.istio.io"): "workloadentries.networking.istio.io",
    ("AuthorizationPolicy", "security.istio.io"): "authorizationpolicies.security.istio.io",
    ("Telemetry", "telemetry.istio.io"): "telemetries.telemetry.istio.io",
    ("GatewayClass", "gateway.networking.k8s.io"): "gatewayclasses.gateway.networking.k8s.io",
    ("Ingress", "networking.k8s.io"): "ingresses.networking.k8s.io",
    ("IngressClass", "networking.k8s.io"): "ingressclasses.networking.k8s.io",
}
"""Kinds whose plural is not the kind with an s."""


def base(extra: Iterable[Object]) -> list[Object]:
    """Istio's default profile, Bookinfo with its gateway, and ``extra``: what the recordings add to them."""
    scene = [*istio.objects(), *bookinfo.objects(), *sample_gateway(), *beside(), *extra]
    return [with_namespace(o) for o in scene]


def beside(*, served: bool = True) -> list[Object]:
    """What a real node has beside Istio's profile; ``served``: what every API server has of itself as well."""
    objects = manifests.parse(files.files(__package__).joinpath("base.yaml").read_text())
    return [o for o in objects if served or resources.name_of(o) != "kubernetes"]


def sample_gateway() -> list[Object]:
    """Bookinfo's way in, on the port of Istio's own sample."""
    return [_on_port(o, SAMPLE_PORT) for o in gateway.objects()]


def _on_port(obj: Object, number: int) -> Object:
    servers = [{**s, "port": {**s["port"], "number": number}} for s in obj["spec"].get("servers") or []]
    return {**obj, "spec": {**obj["spec"], "servers": servers}} if servers else obj


def with_namespace(obj: Object) -> Object:
    """The object in a namespace, and of one age with all others."""
    metadata = {"namespace": "default", "creationTimestamp": CREATED, **obj.get("metadata", {})}
    return {**obj, "metadata": metadata}


def snapshot(objects: Iterable[Object], *, is_ambient: bool = False) -> Snapshot:
    """Objects with the pods of their Deployments, their addresses and endpoints, and what Gateways have deployed."""
    scene = stored(objects, is_ambient=is_ambient)
    return ingress.expanded(gateway_api.expanded(scene, gateway_api.convert(scene)))


def stored(objects: Iterable[Object], *, is_ambient: bool = False) -> Snapshot:
    """The same as a cluster stores them: what stands for objects of the Gateway API and Ingresses is not there yet."""
    given = list(objects)
    scene = _snapshot(given, is_ambient=is_ambient)
    if deployed := gateway_api.convert(scene).deployments:
        scene = _snapshot([*given, *map(with_namespace, deployed)], is_ambient=is_ambient)
    return scene


def _snapshot(objects: Iterable[Object], *, is_ambient: bool) -> Snapshot:
    mesh_config: dict[str, Any] = {}
    by_kind: dict[str, list[Object]] = {}
    for obj in objects:
        if obj["kind"] == "MeshConfig":
            mesh_config = merged(mesh_config, obj["mesh"])
        elif obj["kind"] == "LoadBalancerAddress":
            continue  # Only statuses speak of it.
        else:
            _put(by_kind.setdefault(plural_of(obj), []), obj)
    pods = [pod for d in by_kind.get("deployments.apps", []) for pod in pods_of(d)]
    services = [_addressed(s) for s in by_kind.get("services", [])]
    by_kind["pods"] = [*by_kind.get("pods", []), *pods]
    by_kind["services"] = services
    slices = [s for service in services for s in slices_of(service, by_kind["pods"])]
    by_kind.setdefault("endpointslices.discovery.k8s.io", []).extend(slices)
    return Snapshot(objects=by_kind, mesh_config=mesh_config, is_ambient=is_ambient)


def _put(into: list[Object], obj: Object) -> None:
    """An object with the name of one before replaces it."""
    same = resources.name_of(obj), resources.namespace_of(obj)
    into[:] = [o for o in into if (resources.name_of(o), resources.namespace_of(o)) != same]
    into.append(obj)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Maps join one level deep, everything else replaces."""
    both = {k: {**one[k], **v} for k, v in other.items() if isinstance(v, dict) and isinstance(one.get(k), dict)}
    return {**one, **other, **both}


def plural_of(obj: Object) -> str:
    """``virtualservices.networking.istio.io``."""
    group = obj["apiVersion"].rpartition("/")[0]
    plural = f"{obj['kind'].lower()}s"
    return PLURALS.get((obj["kind"], group)) or (f"{plural}.{group}" if group else plural)


def pods_of(deployment: Object) -> Iterator[Object]:
    """The ready pods of a Deployment, with the label that injection adds where there is a sidecar."""
    template = deployment["spec"]["template"]
    namespace, name = resources.namespace_of(deployment), resources.name_of(deployment)
    labels = dict(template["metadata"].get("labels") or {})
    annotations = template["metadata"].get("annotations") or {}
    short = POD_NAMES.get(name, name)
    if namespace in ("default", "other") and labels.get("sidecar.istio.io/inject") != "false":
        labels["security.istio.io/tlsMode"] = "istio"
    for number in range(deployment["spec"].get("replicas", 1)):
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{short}-{number + 1}" if number else short,
                "namespace": namespace,
                "labels": labels,
                "annotations": annotations,
                "creationTimestamp": CREATED,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": True}],
            },
            "spec": {
                **template["spec"],
                "serviceAccountName": template["spec"].get("serviceAccountName", "default"),
                "nodeName": NODE,
            },
            "status": {"podIP": address_of(namespace, short), "conditions": [{"type": "Ready", "status": "True"}]},
        }


def address_of(namespace: str, pod: str) -> str:
    """``POD(reviews-v1)``, as the recordings write addresses."""
    here = namespace == "default" or pod == "ingressgateway"
    return f"POD({pod})" if here else f"POD({namespace}/{pod})"


def _addressed(service: Object) -> Object:
    spec = service["spec"]
    if spec.get("clusterIP") or spec.get("type") == "ExternalName":
        return service
    return {**service, "spec": {**spec, "clusterIP": service_address(service)}}


def service_address(service: Object) -> str:
    """``ClusterIP(reviews)``."""
    namespace, name = resources.namespace_of(service), resources.name_of(service)
    return f"ClusterIP({name})" if namespace == "default" else f"ClusterIP({namespace}/{name})"


def slices_of(service: Object, pods: Iterable[Object]) -> Iterator[Object]:
    """The endpoints of a Service with a selector."""
    spec = service["spec"]
    chosen = spec.get("selector")
    if not chosen or spec.get("type") == "ExternalName":
        return
    namespace = resources.namespace_of(service)
    behind = [
        p for p in pods if resources.namespace_of(p) == namespace and chosen.items() <= resources.labels_of(p).items()
    ]
    ports = [
        {"name": p.get("name") or "", "port": target, "protocol": p.get("protocol", "TCP")}
        for p in spec.get("ports") or []
        if (target := _target(p, behind))
    ]
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{resources.name_of(service)}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": resources.name_of(service)},
        },
        "ports": ports,
        "endpoints": [_endpoint(p) for p in behind],
    }


def _target(port: Object, pods: list[Object]) -> int:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    every = [p for pod in pods for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    return next((int(p["containerPort"]) for p in every if p.get("name") == target), 0)


def _endpoint(pod: Object) -> Object:
    reference = {"kind": "Pod", "name": resources.name_of(pod), "namespace": resources.namespace_of(pod)}
    return {"addresses": [pod["status"]["podIP"]], "conditions": {"ready": True}, "targetRef": reference}


def proxies(scene: Snapshot) -> dict[str, Proxy]:
    """Every proxy by the name that the recordings give it."""
    proxies = {}
    for pod in scene.of("pods"):
        labels, namespace, name = resources.labels_of(pod), resources.namespace_of(pod), resources.name_of(pod)
        is_gateway = labels.get("istio") == "ingressgateway" or "gateway.networking.k8s.io/gateway-name" in labels
        if not is_gateway and labels.get("security.istio.io/tlsMode") != "istio":
            continue
        is_waypoint = labels.get(waypoints.MANAGED) == waypoints.MANAGED_BY_MESH
        called = name if namespace == "default" or (is_gateway and not is_waypoint) else f"{namespace}/{name}"
        ip = pod["status"]["podIP"]
        proxies[called] = Proxy(
            name=name,
            namespace=namespace,
            role="waypoint" if is_waypoint else "router" if is_gateway else "sidecar",
            ip=ip,
            labels=labels,
            service_account=pod["spec"]["serviceAccountName"],
            workload=workloads.name_of(pod),
        )
    return proxies
