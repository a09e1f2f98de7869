"""Cases of the Gateway API that a real istiod was given: the statuses it wrote and the objects it made."""

import json
from functools import cache
from typing import Any

import pytest
import yaml

from labkit.install import bookinfo, types
from labkit.kube import resources
from labkit.mesh import gateway_api, model
from labkit.sandbox.apiserver.objects import decoding, defaults, schemas
from tests import recorded

Object = dict[str, Any]


def cases() -> list[str]:
    rows = [line.split("\t") for line in recorded.ISTIO.text("xds/index.tsv").splitlines()]
    return [case for family, case, *_ in rows if family == "kgateway"]


@cache
def definitions() -> dict[tuple[str, str], schemas.Schema]:
    result = [schemas.from_crd(crd, v["name"]) for crd in types.crds() for v in crd["spec"]["versions"]]
    return {(s.api_version, s.kind): s for s in result}


def stored(obj: Object, number: int) -> Object:
    """As the API server stores it: with defaults, a generation and an age."""
    metadata = {
        "namespace": "default",
        "generation": 1,
        "uid": f"uid-{number}",
        "creationTimestamp": f"2026-11-23T10:{number // 60:02}:{number % 60:02}Z",
        **obj["metadata"],
    }
    obj = {**obj, "metadata": metadata}
    schema = definitions().get((obj["apiVersion"], obj["kind"]))
    return defaults.with_defaults(schema, decoding.decode(schema, obj).object, None) if schema else obj


def plural_of(obj: Object) -> str:
    group = obj["apiVersion"].rpartition("/")[0]
    expected = {r.kind: r.plural for r in vars(resources).values() if isinstance(r, resources.Resource)}
    plural = expected.get(obj["kind"], f"{obj['kind'].lower()}s")
    return f"{plural}.{group}" if group else plural


def scene(objects: list[Object]) -> model.Snapshot:
    """The objects, and instances behind every Service."""
    result: dict[str, list[Object]] = {}
    for obj in objects:
        result.setdefault(plural_of(obj), []).append(obj)
    result["endpointslices.discovery.k8s.io"] = [slice_of(obj) for obj in result.get("services", [])]
    return model.Snapshot(objects=result)


def slice_of(service: Object) -> Object:
    name = resources.name_of(service)
    ports = [{"name": p.get("name", ""), "port": p["port"]} for p in service["spec"]["ports"]]
    return {
        "metadata": {**service["metadata"], "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"addresses": ["127.0.0.1"]}],
        "ports": ports,
    }


INGRESS = """
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {app: istio-ingressgateway, istio: ingressgateway}
  ports: [{name: status-port, port: 15021}, {name: http2, port: 80}, {name: https, port: 443}]
"""


def base() -> list[Object]:
    texts = [recorded.ISTIO.text("xds/base-extra.yaml"), INGRESS]
    return [*bookinfo.objects(), *(obj for text in texts for obj in yaml.safe_load_all(text) if obj)]


def converted(case: str) -> tuple[gateway_api.Converted, list[Object]]:
    """After istiod has made what it makes, and has looked again."""
    given = [o for o in yaml.safe_load_all(recorded.ISTIO.text(f"xds/cases/{case}.yaml")) if o]
    balanced = {o["service"]: o["ingress"] for o in given if o["kind"] == "LoadBalancerAddress"}
    asked = [o for o in given if o["kind"] != "LoadBalancerAddress"]
    objects = [stored(json.loads(json.dumps(o, default=str)), n) for n, o in enumerate([*base(), *asked])]
    created = [o for o in gateway_api.convert(scene(objects)).deployments if o["kind"] == "Service"]
    for service in created:
        if ingress := balanced.get(resources.name_of(service)):
            service["status"] = {"loadBalancer": {"ingress": ingress}}
    return gateway_api.convert(scene([*objects, *created])), asked


def answer(case: str) -> Object:
    answer: Object = recorded.ISTIO.json(f"xds/answers/{case}.json")
    return answer


def by_type(value: Any) -> Any:
    """Conditions and listeners in no order."""
    if isinstance(value, dict):
        return {k: by_type(v) for k, v in value.items()}
    if isinstance(value, list):
        items = [by_type(v) for v in value]
        return sorted(items, key=lambda v: v.get("type", "")) if items and "type" in (items[0] or {}) else items
    return value


@pytest.mark.parametrize("case", cases())
def test_statuses_are_those_of_istiod(case: str) -> None:
    theirs = answer(case)
    result, _ = converted(case)
    for entry in theirs["status"]:
        if entry["kind"] not in ("Gateway", "HTTPRoute", "GRPCRoute"):
            continue
        ours = result.statuses.get((entry["kind"], entry["namespace"], entry["name"]))
        if ours is None:
            # Of another class: what the definition says before any controller has spoken stays.
            assert {c["status"] for c in entry["status"]["conditions"]} == {"Unknown"}
            continue
        assert by_type(ours) == by_type(entry["status"])


@pytest.mark.parametrize("case", cases())
def test_a_gateway_gets_the_recorded_deployment_and_service(case: str) -> None:
    theirs = answer(case).get("created_by_istiod", {})
    result, _ = converted(case)
    ours = {f"{o['kind']} {resources.namespace_of(o)}/{resources.name_of(o)}": o for o in result.deployments}
    assert set(ours) == set(theirs)
    for title, expected in theirs.items():
        metadata, spec = ours[title]["metadata"], ours[title].get("spec", {})
        assert metadata["labels"] == expected["labels"]
        assert metadata.get("annotations", {}) == expected["annotations"]
        assert [f"{o['kind']}/{o['name']}" for o in metadata["ownerReferences"]] == expected["owner"]
        text = {"replicas": 1, **spec} if title.startswith("Deployment") else spec
        for key, value in expected.get("spec", {}).items():
            if key == "ports":
                assert [without_node_port(p) for p in text[key]] == value
            else:
                assert text[key] == value


def without_node_port(port: Object) -> Object:
    return {k: v for k, v in port.items() if k != "nodePort"}


def recorded_routes(theirs: Object) -> dict[str, list[Object]]:
    """Host → the routes that the proxies of Gateways got for it."""
    keys = {
        key
        for proxy, kinds in theirs["proxies"].items()
        if proxy.endswith("-istio")
        for name, key in (kinds.get("routes") or {}).items()
        if name.startswith("http.") and key
    }
    hosts = [host for key in keys for host in theirs["bodies"][key]["virtual_hosts"]]
    return {host["domains"][0]: host["routes"] for host in hosts if host.get("routes")}


@pytest.mark.parametrize("case", cases())
def test_rules_come_in_the_recorded_order_and_lead_where_they_led(case: str) -> None:
    expected = recorded_routes(answer(case))
    result, _ = converted(case)
    ours = {
        s["spec"]["hosts"][0]: s["spec"]["http"] for s in result.virtual_services if s["spec"]["gateways"] != ["mesh"]
    }
    for host, routes in expected.items():
        # A listener's hostname may be narrower than a route's: then the rules are those of the wider one.
        rules = ours.get(host) or next(
            rules for name, rules in ours.items() if name.endswith(host.split(".")[-1]) or name == "*"
        )
        assert [(r["name"], path_of(r["match"])) for r in routes] == [
            (rule["name"], said_path(rule["match"][0]["uri"])) for rule in rules
        ]
        for route, rule in zip(routes, rules, strict=True):
            assert clusters_of(route) == targets_of(rule)


def path_of(match: Object) -> str:
    regex = match.get("safe_regex", {}).get("regex")
    return regex or next(match[k] for k in ("path", "path_separated_prefix", "prefix") if k in match)


def said_path(uri: Object) -> str:
    return str(next(iter(uri.values())))


def clusters_of(route: Object) -> list[str]:
    action = route.get("route", {})
    result = [c["name"] for c in action.get("weighted_clusters", {}).get("clusters", [])] or [action.get("cluster")]
    return [name for name in result if name]


def targets_of(rule: Object) -> list[str]:
    places = [target["destination"] for target in rule.get("route", [])]
    return [f"outbound|{p['port']['number']}||{p['host']}" if "port" in p else p["host"] for p in places]
