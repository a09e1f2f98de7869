"""What conversions look like where the recorded cases do not tell."""

from typing import Any

from labkit.mesh import gateway_api, model
from labkit.mesh.gateway_api import conditions, deployments, filters, matches, scene

Object = dict[str, Any]


def test_nothing_comes_of_nothing() -> None:
    assert gateway_api.convert(model.Snapshot(objects={})) == gateway_api.Converted()


def test_converted_objects_stand_before_those_of_the_cluster() -> None:
    old = model.Snapshot(objects={"virtualservices.networking.istio.io": [{"metadata": {"name": "old"}}]})
    new = gateway_api.Converted(virtual_services=({"metadata": {"name": "new"}},))
    objects = gateway_api.expanded(old, new).of("virtualservices.networking.istio.io")
    assert [o["metadata"]["name"] for o in objects] == ["new", "old"]


def test_a_consumer_route_is_for_its_own_namespace() -> None:
    conversion = gateway_api.convert(_mesh(namespace="other"))
    assert conversion.virtual_services[0]["spec"]["exportTo"] == ["."]
    assert "exportTo" not in gateway_api.convert(_mesh(namespace="default")).virtual_services[0]["spec"]


def test_a_port_of_the_parent_is_a_condition_of_every_rule() -> None:
    rule = gateway_api.convert(_mesh(namespace="default")).virtual_services[0]["spec"]["http"][0]
    assert rule["match"] == [{"uri": {"prefix": "/"}, "port": 9080}]


def test_other_controllers_words_stay() -> None:
    snapshot = _mesh(namespace="default")
    route = snapshot.of("httproutes.gateway.networking.k8s.io")[0]
    route["status"] = {"parents": [{"controllerName": "example.com/other"}, {"controllerName": gateway_api.CONTROLLER}]}
    status = gateway_api.convert(snapshot).statuses["HTTPRoute", "default", "reviews"]
    assert [p["controllerName"] for p in status["parents"]] == ["example.com/other", gateway_api.CONTROLLER]


def test_pods_listen_above_1024_where_they_must() -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gw", "namespace": "default"},
        "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    service = deployments.of_gateway(gateway, scene.Scene(model.Snapshot(objects={})), has_low_ports=False)[2]
    assert [(p["port"], p["targetPort"]) for p in service["spec"]["ports"]] == [(15021, 15021), (80, 8080)]


def test_overlays_merge_lists_by_name_or_port() -> None:
    given = {"ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}], "type": "LoadBalancer"}
    merged = deployments.overlaid(given, {"ports": [{"port": 80, "nodePort": 30080}], "type": "NodePort"})
    assert merged["ports"][0] == {"port": 80, "name": "http", "nodePort": 30080}
    assert len(merged["ports"]) == 2
    assert merged["type"] == "NodePort"


def test_a_replaced_prefix_leaves_no_double_slash() -> None:
    text = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    stored = filters.applied([text], {"uri": {"prefix": "/a"}}, dict)
    assert stored["rewrite"]["uriRegexRewrite"] == {"match": "^/a(/?)(.*)", "rewrite": r"/\2"}


def test_a_prefix_comes_before_any_expression() -> None:
    def rule(**uri: str) -> Object:
        return {"match": [{"uri": uri}]}

    ordered = matches.in_order([rule(prefix="/"), rule(regex="/a.*"), rule(prefix="/a"), rule(exact="/a")])
    assert [next(iter(r["match"][0]["uri"])) for r in ordered] == ["exact", "prefix", "prefix", "regex"]


def test_lists_read_as_sentences() -> None:
    assert [conditions.joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b, and c"]


def _mesh(*, namespace: str) -> model.Snapshot:
    route: Object = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "reviews", "namespace": namespace},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "reviews", "namespace": "default", "port": 9080}],
            "rules": [{"backendRefs": [{"name": "reviews", "namespace": "default", "port": 9080}]}],
        },
    }
    service: Object = {"metadata": {"name": "reviews", "namespace": "default"}, "spec": {"ports": [{"port": 9080}]}}
    return model.Snapshot(objects={"httproutes.gateway.networking.k8s.io": [route], "services": [service]})


def test_a_route_may_speak_for_the_clients_of_a_service_entry() -> None:
    entry = {
        "kind": "ServiceEntry",
        "metadata": {"name": "ext", "namespace": "default"},
        "spec": {"hosts": ["a.example", "b.example"]},
    }
    parents = [{"group": "networking.istio.io", "kind": "ServiceEntry", "name": name} for name in ("ext", "other")]
    backend = {"group": "networking.istio.io", "kind": "Hostname", "name": "a.example", "port": 80}
    route = {
        "kind": "HTTPRoute",
        "metadata": {"name": "ext", "namespace": "default"},
        "spec": {"parentRefs": parents, "rules": [{"backendRefs": [backend]}]},
    }
    objects = {"serviceentries.networking.istio.io": [entry], "httproutes.gateway.networking.k8s.io": [route]}
    conversion = gateway_api.convert(model.Snapshot(objects=objects))
    hosts = [service["spec"]["hosts"] for service in conversion.virtual_services]
    (destination,) = (r["route"][0]["destination"] for r in conversion.virtual_services[0]["spec"]["http"])
    accepted = [p["conditions"][0]["message"] for p in conversion.statuses["HTTPRoute", "default", "ext"]["parents"]]
    assert hosts == [["a.example"], ["b.example"]]
    assert destination == {"host": "a.example", "port": {"number": 80}}
    assert accepted == ["Route was valid", 'parent service entry: "other" not found']
