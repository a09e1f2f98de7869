"""Which patches apply, in which order, and to what."""

from collections.abc import Mapping
from typing import Any

import pytest

from labkit.mesh import model, patches
from labkit.mesh.api import caveats
from labkit.mesh.memo import Memo
from labkit.mesh.patches import matching
from labkit.mesh.patches.envoyfilters import GATEWAY, INBOUND, OUTBOUND

Object = dict[str, Any]
MANAGER = "envoy.filters.network.http_connection_manager"
TYPE = "type.googleapis.com/envoy.extensions.filters"
HCM = f"{TYPE}.network.http_connection_manager.v3.HttpConnectionManager"


def patch(apply_to: str, operation: str, value: Object | None = None, **match: Any) -> Object:
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": apply_to, "match": match, "patch": change}


def envoy_filter(name: str, *entries: Object, namespace: str = "default", created: str = "1", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"kind": "EnvoyFilter", "metadata": metadata, "spec": {"configPatches": list(entries), **spec}}


def proxy(**labels: str) -> model.Proxy:
    return model.Proxy(
        name="web",
        namespace="default",
        role="sidecar",
        ip="",
        labels={"app": "web", **labels},
        metadata={"CLUSTER": "a"},
    )


def chosen(*objects: Object, to: model.Proxy | None = None) -> patches.Patches | None:
    return patches.chosen(map(patches.read, objects), to or proxy(), root="istio-system", memo=Memo())


def listener(*filters: str, name: str = "virtualInbound", port: int = 9080, **more: Any) -> Object:
    config = {"@type": HCM, "http_filters": [{"name": f, "typed_config": {"@type": f"{TYPE}.http.x"}} for f in filters]}
    chain = {"filter_chain_match": {"destination_port": port}, "filters": [{"name": MANAGER, "typed_config": config}]}
    direction = "INBOUND" if name == "virtualInbound" else "OUTBOUND"
    return {"name": name, "traffic_direction": direction, "filter_chains": [chain], **more}


def patched(
    config: Mapping[str, Object], kind: str, *objects: Object, is_gateway: bool = False, **target: Any
) -> Object:
    applying = chosen(*objects)
    whole = model.Config(**{kind: dict(config)})
    if applying is None:
        return dict(config)
    result = patches.patched(whole, applying, patches.Target(is_gateway=is_gateway, **target), Memo())
    return dict(getattr(result, kind))


def http_filters(*objects: Object, **more: Any) -> list[str]:
    before = listener("cors", "fault", "router", **more)
    after = patched({before["name"]: before}, "listeners", *objects)[before["name"]]
    return [f["name"] for f in after["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]]


def inside(sub: str = "", **listener_match: Any) -> Object:
    inner = {"subFilter": {"name": sub}} if sub else {}
    return {"listener": {"filterChain": {"filter": {"name": MANAGER, **inner}}, **listener_match}}


def version(minor: str) -> Object:
    return {"proxy": {"proxyVersion": rf"^1\.{minor}"}}


X = {"name": "x"}


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        pytest.param(patch("HTTP_FILTER", "ADD", X), "cors fault router x", id="ADD"),
        pytest.param(patch("HTTP_FILTER", "INSERT_FIRST", X), "x cors fault router", id="INSERT_FIRST"),
        pytest.param(patch("HTTP_FILTER", "INSERT_BEFORE", X, **inside()), "x cors fault router", id="BEFORE nobody"),
        pytest.param(patch("HTTP_FILTER", "INSERT_AFTER", X, **inside()), "cors fault router x", id="AFTER nobody"),
        pytest.param(patch("HTTP_FILTER", "INSERT_BEFORE", X, **inside("router")), "cors fault x router", id="BEFORE"),
        pytest.param(patch("HTTP_FILTER", "INSERT_AFTER", X, **inside("cors")), "cors x fault router", id="AFTER"),
        pytest.param(patch("HTTP_FILTER", "INSERT_AFTER", X, **inside("none")), "cors fault router", id="AFTER none"),
        pytest.param(patch("HTTP_FILTER", "REPLACE", X, **inside("fault")), "cors x router", id="REPLACE"),
        pytest.param(patch("HTTP_FILTER", "REPLACE", X, **inside()), "cors fault router", id="REPLACE nobody"),
        pytest.param(patch("HTTP_FILTER", "REMOVE", **inside("fault")), "cors router", id="REMOVE"),
        pytest.param(patch("HTTP_FILTER", "REMOVE", **inside()), "cors fault router", id="REMOVE nobody"),
        pytest.param(patch("HTTP_FILTER", "MERGE", {"name": "y"}, **inside("fault")), "cors y router", id="MERGE"),
        pytest.param(patch("HTTP_FILTER", "ADD", X, context=OUTBOUND), "cors fault router", id="another context"),
        pytest.param(patch("HTTP_FILTER", "ADD", X, **inside(portNumber=80)), "cors fault router", id="another port"),
        pytest.param(patch("HTTP_FILTER", "ADD", X, **inside(portNumber=9080)), "cors fault router x", id="its port"),
        pytest.param(patch("HTTP_FILTER", "ADD", X, **version("30")), "cors fault router", id="older"),
        pytest.param(patch("HTTP_FILTER", "ADD", X, **version("31")), "cors fault router x", id="version"),
        pytest.param(
            patch("HTTP_FILTER", "ADD", X, proxy={"metadata": {"CLUSTER": "b"}}), "cors fault router", id="metadata"
        ),
    ],
)
def test_an_http_filter_goes_where_it_belongs(entry: Object, result: str) -> None:
    assert http_filters(envoy_filter("a", entry)) == result.split()


@pytest.mark.parametrize(
    ("namespace", "gateway", "is_chosen"),
    [
        pytest.param("default", "web", True, id="the Gateway of its namespace"),
        pytest.param("default", "other", False, id="another Gateway"),
        pytest.param("istio-system", "web", False, id="a Gateway of that name in another namespace"),
    ],
)
def test_target_refs_choose_gateways_of_the_same_namespace(namespace: str, gateway: str, is_chosen: bool) -> None:
    target = {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "web"}
    added = envoy_filter("a", patch("HTTP_FILTER", "ADD", X), namespace=namespace, targetRefs=[target])
    of_gateway = proxy(**{"gateway.networking.k8s.io/gateway-name": gateway})
    assert (chosen(added, to=of_gateway) is not None) is is_chosen


@pytest.mark.parametrize("operation", ["MERGE", "MERGE_AND_REPLACE_LIST"])
def test_lists_in_the_configuration_of_a_filter_append_whatever_the_merge(operation: str) -> None:
    value = {"name": MANAGER, "typed_config": {"@type": HCM, "upgrade_configs": [{"upgrade_type": "CONNECT"}]}}
    before = listener("router")
    config = before["filter_chains"][0]["filters"][0]["typed_config"]
    config["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    match = {"listener": {"filterChain": {"filter": {"name": MANAGER}}}}
    after = patched(
        {"virtualInbound": before}, "listeners", envoy_filter("a", patch("NETWORK_FILTER", operation, value, **match))
    )
    merged = after["virtualInbound"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert [u["upgrade_type"] for u in merged["upgrade_configs"]] == ["websocket", "CONNECT"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("http.80", (80, "", "")),
        ("http.80.10.0.0.1", (80, "", "")),
        ("https.443.https.shop.default", (443, "https", "default/shop")),
        ("https.443.https.my.shop.default", (0, "", "")),
    ],
)
def test_a_gateways_table_is_known_by_its_name(name: str, parts: tuple[int, str, str]) -> None:
    assert matching.gateway_table(name) == parts


def test_a_filter_class_is_said_to_have_no_effect() -> None:
    entry = patch("HTTP_FILTER", "ADD", X)
    entry["patch"]["filterClass"] = "AUTHZ"
    (finding,) = patches.findings(envoy_filter("a", entry))
    assert finding.startswith("spec.configPatches[0].patch.filterClass has no effect")


def test_patches_apply_by_priority_then_root_then_age() -> None:
    def adds(name: str, **more: Any) -> Object:
        return envoy_filter(name, patch("HTTP_FILTER", "ADD", {"name": name}), **more)

    order = http_filters(
        adds("late", created="2"),
        adds("early", created="1"),
        adds("last", priority=10),
        adds("first", priority=-1),
        adds("root", namespace="istio-system", created="3"),
        adds("elsewhere", namespace="other"),
    )
    assert order == ["cors", "fault", "router", "first", "root", "early", "late", "last"]


@pytest.mark.parametrize(
    ("spec", "applies"),
    [
        pytest.param({}, True, id="everybody"),
        pytest.param({"workloadSelector": {"labels": {"app": "web"}}}, True, id="its label"),
        pytest.param({"workloadSelector": {"labels": {"app": "shop"}}}, False, id="another label"),
        pytest.param({"targetRefs": [{"kind": "Gateway", "name": "entry"}]}, False, id="a Gateway"),
    ],
)
def test_a_filter_chooses_workloads(spec: Object, applies: bool) -> None:
    assert (chosen(envoy_filter("a", patch("LISTENER", "REMOVE"), **spec)) is not None) == applies


def test_target_references_choose_the_pods_of_a_gateway() -> None:
    obj = envoy_filter("a", patch("LISTENER", "REMOVE"), targetRefs=[{"kind": "Gateway", "name": "entry"}])
    assert chosen(obj, to=proxy(**{"gateway.networking.k8s.io/gateway-name": "entry"})) is not None


def listener_filters(entry: Object) -> list[Object]:
    before = {
        "name": "virtualInbound",
        "listener_filters": [
            {"name": "dst", "typed_config": {"@type": f"{TYPE}.listener.original_dst.v3.OriginalDst"}},
            {"name": "tls", "typed_config": {"@type": f"{TYPE}.listener.tls_inspector.v3.TlsInspector"}},
        ],
    }
    after = patched({"virtualInbound": before}, "listeners", envoy_filter("a", entry))
    filters: list[Object] = after["virtualInbound"]["listener_filters"]
    return filters


def by_listener_filter(name: str) -> Object:
    return {"listener": {"listenerFilter": name}}


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        pytest.param(patch("LISTENER_FILTER", "ADD", X), "dst tls x", id="ADD"),
        pytest.param(patch("LISTENER_FILTER", "INSERT_FIRST", X), "x dst tls", id="INSERT_FIRST"),
        pytest.param(patch("LISTENER_FILTER", "INSERT_AFTER", X, **by_listener_filter("dst")), "dst x tls", id="AFTER"),
        pytest.param(
            patch("LISTENER_FILTER", "INSERT_BEFORE", X, **by_listener_filter("tls")), "dst x tls", id="BEFORE"
        ),
        pytest.param(patch("LISTENER_FILTER", "INSERT_BEFORE", X), "x dst tls", id="BEFORE nobody"),
        pytest.param(patch("LISTENER_FILTER", "REPLACE", X, **by_listener_filter("tls")), "dst x", id="REPLACE"),
        pytest.param(patch("LISTENER_FILTER", "REMOVE", **by_listener_filter("tls")), "dst", id="REMOVE"),
        pytest.param(patch("LISTENER_FILTER", "REMOVE"), "dst tls", id="REMOVE nobody"),
    ],
)
def test_a_listener_filter_goes_where_it_belongs(entry: Object, result: str) -> None:
    assert [item["name"] for item in listener_filters(entry)] == result.split()


def test_a_listener_filter_takes_a_merge_of_its_own_type_from_a_patch_that_names_a_filter() -> None:
    config = {"@type": f"{TYPE}.listener.tls_inspector.v3.TlsInspector", "initial_read_buffer_size": 512}
    merge = patch("LISTENER_FILTER", "MERGE", {"name": "tls", "typed_config": config}, **by_listener_filter("tls"))
    first, second = listener_filters(merge)
    assert "initial_read_buffer_size" not in first["typed_config"]
    assert second["typed_config"]["initial_read_buffer_size"] == 512


def test_a_chain_without_filters_is_none() -> None:
    chains = [{"name": "empty"}, {"name": "full", "filters": [{"name": "envoy.filters.network.tcp_proxy"}]}]
    entry = envoy_filter("a", *(patch("FILTER_CHAIN", "ADD", chain) for chain in chains))
    after = patched({"virtualInbound": listener("router")}, "listeners", entry)["virtualInbound"]
    assert [chain.get("name") for chain in after["filter_chains"]] == [None, "full"]


NAMES = ("outbound|80|v1|web.default.svc.cluster.local", "outbound|80||shop.default.svc.cluster.local", "inbound|80||")


@pytest.mark.parametrize(
    ("match", "gone"),
    [
        pytest.param({}, NAMES, id="all"),
        pytest.param({"cluster": {"name": "inbound|80||"}}, NAMES[2:], id="by name"),
        pytest.param({"cluster": {"service": "web.default.svc.cluster.local"}}, (NAMES[0], NAMES[2]), id="by service"),
        pytest.param({"cluster": {"subset": "v1"}}, NAMES[:1], id="by subset"),
        pytest.param({"cluster": {"portNumber": 81}}, (), id="by another port"),
        pytest.param({"context": INBOUND}, NAMES[2:], id="by context"),
        pytest.param({"context": GATEWAY}, (), id="of gateways"),
    ],
)
def test_clusters_are_removed(match: Object, gone: tuple[str, ...]) -> None:
    clusters = {name: {"name": name} for name in NAMES}
    hosts = {80: ("web.default.svc.cluster.local",)}
    left = patched(clusters, "clusters", envoy_filter("a", patch("CLUSTER", "REMOVE", **match)), hosts=hosts)
    assert set(NAMES) - set(left) == set(gone)


def test_of_two_clusters_with_one_name_the_first_keeps_it() -> None:
    add = patch("CLUSTER", "ADD", {"name": "inbound|80||", "lb_policy": "RANDOM"}, context=INBOUND)
    more = [patch("CLUSTER", "ADD", {"name": "new", "lb_policy": policy}) for policy in ("RANDOM", "MAGLEV")]
    result = patched({NAMES[2]: {"name": NAMES[2]}}, "clusters", envoy_filter("a", add, *more))
    assert result == {NAMES[2]: {"name": NAMES[2]}, "new": {"name": "new", "lb_policy": "RANDOM"}}


TLS = "envoy.transport_sockets.tls"


def test_a_transport_socket_is_merged_into_the_one_of_its_name() -> None:
    context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

    def socket(**fields: Any) -> Object:
        return {"name": TLS, "typed_config": {"@type": context, **fields}}

    value = {"transport_socket": socket(sni="x"), "connect_timeout": "9s"}
    entry = envoy_filter("a", patch("CLUSTER", "MERGE", value))
    clusters = {
        "one": {"name": "one", "transport_socket": socket(max_session_keys=1)},
        "choice": {"name": "choice", "transport_socket_matches": [{"name": "t", "transport_socket": socket()}]},
        "other": {"name": "other", "transport_socket": {"name": "raw"}},
        "none": {"name": "none"},
    }
    result = patched(clusters, "clusters", entry)
    assert result["one"] == {"name": "one", "transport_socket": socket(max_session_keys=1, sni="x")}
    assert result["choice"]["transport_socket_matches"] == [{"name": "t", "transport_socket": socket(sni="x")}]
    assert result["other"] == {"name": "other", "transport_socket": value["transport_socket"]}
    assert result["none"] == {"name": "none", "transport_socket": value["transport_socket"]}


def table(name: str = "80") -> Object:
    routes = [{"name": "a", "route": {"cluster": "x"}}, {"name": "b", "redirect": {"path_redirect": "/"}}]
    return {"name": name, "virtual_hosts": [{"name": "web:80", "domains": ["web"], "routes": routes}]}


def vhost(route: Object | None = None, **match: Any) -> Object:
    inner = {"vhost": {**({"route": route} if route is not None else {}), **match.pop("vhost", {})}}
    return {"routeConfiguration": {**inner, **match}}


R = {"name": "r"}


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        pytest.param(patch("HTTP_ROUTE", "ADD", R), "a b r", id="ADD"),
        pytest.param(patch("HTTP_ROUTE", "INSERT_FIRST", R), "r a b", id="INSERT_FIRST"),
        pytest.param(patch("HTTP_ROUTE", "INSERT_FIRST", R, **vhost({"name": "b"})), "r a b", id="FIRST where one is"),
        pytest.param(patch("HTTP_ROUTE", "INSERT_FIRST", R, **vhost({"name": "c"})), "a b", id="FIRST where none is"),
        pytest.param(patch("HTTP_ROUTE", "INSERT_AFTER", R, **vhost({"name": "a"})), "a r b", id="INSERT_AFTER"),
        pytest.param(patch("HTTP_ROUTE", "INSERT_BEFORE", R, **vhost({"action": "REDIRECT"})), "a r b", id="by action"),
        pytest.param(patch("HTTP_ROUTE", "REMOVE", **vhost({"action": "ROUTE"})), "b", id="REMOVE"),
        pytest.param(patch("HTTP_ROUTE", "REMOVE"), "", id="REMOVE all"),
        pytest.param(patch("HTTP_ROUTE", "REMOVE", **vhost(portNumber=81)), "a b", id="another port"),
        pytest.param(patch("HTTP_ROUTE", "REMOVE", **vhost(vhost={"name": "shop:80"})), "a b", id="another host"),
        pytest.param(patch("HTTP_ROUTE", "REMOVE", **vhost(vhost={"domainName": "web"})), "", id="by domain"),
    ],
)
def test_a_route_goes_where_it_belongs(entry: Object, result: str) -> None:
    after = patched({"80": table()}, "routes", envoy_filter("a", entry))["80"]
    assert [route["name"] for route in after["virtual_hosts"][0]["routes"]] == result.split()


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        pytest.param({"portNumber": 443}, True, id="the Gateway's port"),
        pytest.param({"portNumber": 8443}, False, id="the pod's port"),
        pytest.param({"portName": "https"}, True, id="the port's name"),
        pytest.param({"gateway": "default/entry"}, True, id="the Gateway"),
        pytest.param({"gateway": "other/entry"}, False, id="another Gateway"),
        pytest.param({"name": "http.8080"}, False, id="another table"),
    ],
)
def test_a_table_of_a_gateway_is_known_by_port_and_gateway(match: Object, applies: bool) -> None:
    name = "https.443.https.entry.default"
    entry = patch("VIRTUAL_HOST", "REMOVE", routeConfiguration=match)
    after = patched({name: table(name)}, "routes", envoy_filter("a", entry), is_gateway=True, tables={name: {443}})
    assert (after[name]["virtual_hosts"] == []) == applies


def test_what_no_patch_means_is_the_very_same() -> None:
    config = model.Config(clusters={"c": {"name": "c"}}, routes={"80": table()}, listeners={"l": listener("router")})
    applying = chosen(envoy_filter("a", patch("CLUSTER", "MERGE", {"name": "x"}, cluster={"name": "other"})))
    assert applying is not None
    result = patches.patched(config, applying, patches.Target(is_gateway=False), Memo())
    assert result.clusters is config.clusters
    assert result.routes is config.routes
    assert result.listeners is config.listeners


WASM = {
    "name": "w",
    "typed_config": {
        "@type": f"{TYPE}.http.wasm.v3.Wasm",
        "config": {"vm_config": {"code": {"remote": {"sha256": "x"}}}},
    },
}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        pytest.param(
            patch("BOOTSTRAP", "MERGE", {}), "spec.configPatches[0].applyTo: BOOTSTRAP has no effect", id="bootstrap"
        ),
        pytest.param(
            patch("HTTP_FILTER", "ADD", X, context="WAYPOINT"),
            "spec.configPatches[0].match: a patch of waypoints has no effect",
            id="a waypoint",
        ),
        pytest.param(
            patch(
                "HTTP_FILTER", "ADD", {"name": "a", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}}
            ),
            "spec.configPatches[0].patch.value: stats.PluginConfig is not known here, the patch is not sent",
            id="a message that only Istio has",
        ),
        pytest.param(patch("HTTP_FILTER", "ADD", WASM), "no sidecar fetches modules here", id="Wasm from elsewhere"),
        pytest.param(
            patch("HTTP_FILTER", "MERGE", {}, **inside("istio.stats")),
            "listener.filterChain.filter.subFilter.name: only Istio's own Envoy has istio.stats",
            id="a filter that only Istio has",
        ),
    ],
)
def test_what_is_not_carried_out_is_said_by_field(entry: Object, text: str) -> None:
    assert any(text in finding for finding in patches.findings(envoy_filter("a", entry)))


def test_what_is_carried_out_is_not_warned_of() -> None:
    obj = envoy_filter(
        "a", patch("HTTP_FILTER", "INSERT_BEFORE", X, **inside("istio.stats")), patch("CLUSTER", "REMOVE")
    )
    assert list(patches.findings(obj)) == []


def test_a_patch_of_a_waypoint_is_said_to_have_no_effect():
    targets = [{"kind": "Gateway", "name": name} for name in ("edge", "waypoint")]
    obj = {"kind": "EnvoyFilter", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"targetRefs": targets}}
    classes = {"edge": "istio", "waypoint": "istio-waypoint"}
    told = caveats.findings(obj, gateway=lambda namespace, name: {"spec": {"gatewayClassName": classes[name]}})
    assert [text.partition(" is")[0] for text in told] == ["spec.targetRefs[1]: Gateway waypoint"]


@pytest.mark.parametrize(("kind", "apply_to"), [("listeners", "LISTENER"), ("clusters", "CLUSTER")])
def test_what_is_added_without_a_name_is_sent_for_envoy_to_refuse(kind: str, apply_to: str) -> None:
    nameless = patched(
        {}, kind, envoy_filter("a", patch(apply_to, "ADD", {"metadata": {"filter_metadata": {"a": {}}}}))
    )
    assert list(nameless) == [""]
