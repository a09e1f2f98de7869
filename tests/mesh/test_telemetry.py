"""What a proxy tells of its requests: spans and metrics, as Telemetry and MeshConfig ask for them."""

import json
from typing import Any

import pytest

from labkit.conformance import answers, comparing
from labkit.mesh import ir, model
from labkit.mesh.envoy import filters, istios_filters
from labkit.mesh.model import Resource
from labkit.mesh.policies import provider_findings, telemetry
from labkit.sandbox.istiod import messages
from tests import recorded

WEB = model.Proxy(
    name="web-1",
    workload="web",
    namespace="shop",
    role="sidecar",
    ip="127.0.0.1",
    labels={"app": "web", "version": "v2"},
)
MESH = {
    "extensionProviders": [
        {"name": "zip", "zipkin": {"service": "zipkin.istio-system.svc.cluster.local", "port": 9411}},
        {"name": "otel", "opentelemetry": {"service": "jaeger.istio-system.svc.cluster.local", "port": 4317}},
    ]
}
CLUSTERS: dict[str, dict[str, Any]] = {
    "outbound|9411||zipkin.istio-system.svc.cluster.local": {},
    "outbound|4317||jaeger.istio-system.svc.cluster.local": {},
}


def told(*specs: dict[str, Any], mesh: dict[str, Any] = MESH) -> telemetry.Sides:
    objects = [
        {"kind": "Telemetry", "metadata": {"name": f"t{number}", "namespace": namespace}, "spec": spec}
        for number, (namespace, spec) in enumerate(zip(("istio-system", "shop"), specs, strict=False))
    ]
    return telemetry.of(model.Snapshot(objects={telemetry.RESOURCE: objects}, mesh_config=mesh), WEB, CLUSTERS)


def tracing(*entries: dict[str, Any], mesh: dict[str, Any] = MESH) -> ir.Tracing | None:
    return told(*({"tracing": [entry]} for entry in entries), mesh=mesh).inbound.tracing


ZIP = {"providers": [{"name": "zip"}]}
BY_DEFAULT = {**MESH, "defaultProviders": {"tracing": ["zip"]}}


@pytest.mark.parametrize(
    ("entries", "mesh", "percent"),
    [
        pytest.param([], MESH, None, id="nobody asks"),
        pytest.param([{"randomSamplingPercentage": 50}], MESH, None, id="nobody to send them to"),
        pytest.param([], BY_DEFAULT, 1.0, id="the mesh's provider"),
        pytest.param([ZIP], MESH, 1.0, id="istiod's own share"),
        pytest.param([ZIP], {**MESH, "defaultConfig": {"tracing": {"sampling": 30}}}, 30.0, id="the mesh's share"),
        pytest.param([ZIP], {**MESH, "defaultConfig": {"tracing": {"sampling": 101}}}, 1.0, id="more than all"),
        pytest.param([{**ZIP, "randomSamplingPercentage": 0}], MESH, 0.0, id="none is a share"),
        pytest.param([ZIP, {"randomSamplingPercentage": 5}], MESH, 5.0, id="a namespace changes one field"),
        pytest.param([ZIP, {"disableSpanReporting": True}], MESH, None, id="a namespace sends none"),
        pytest.param([ZIP, {"providers": [{"name": "nobody"}]}], MESH, None, id="a provider that nobody has"),
        pytest.param([{**ZIP, "match": {"mode": "CLIENT"}}], MESH, None, id="of the other side"),
    ],
)
def test_a_share_of_the_requests_leaves_spans(
    entries: list[dict[str, Any]], mesh: dict[str, Any], percent: float | None
) -> None:
    spans = tracing(*entries, mesh=mesh)
    assert (spans and spans.percent) == percent


def test_a_collector_that_a_proxy_cannot_reach_gets_nothing() -> None:
    mesh = {"extensionProviders": [{"name": "zip", "zipkin": {"service": "nowhere.shop", "port": 1}}]}
    assert tracing(ZIP, mesh=mesh) is None


def older(**settings: Any) -> dict[str, Any]:
    address = settings.pop("address", "zipkin.istio-system:9411")
    return {**MESH, "defaultConfig": {"tracing": {"zipkin": {"address": address}, "sampling": 30}}, **settings}


@pytest.mark.parametrize(
    ("entries", "mesh", "percent"),
    [
        pytest.param([], older(enableTracing=True), 30.0, id="switched on"),
        pytest.param([], older(), 30.0, id="Istio's default is on"),
        pytest.param([], older(enableTracing=False), None, id="switched off"),
        pytest.param([], older(address="zipkin.istio-system.svc.cluster.local:9411"), 30.0, id="a full name"),
        pytest.param([], older(address="nowhere:9411"), None, id="an address of nobody"),
        pytest.param([{"randomSamplingPercentage": 5}], older(), None, id="a Telemetry without a provider ends it"),
        pytest.param([ZIP], older(enableTracing=False), 30.0, id="a Telemetry with a provider needs no switch"),
        pytest.param([], older(defaultProviders={"tracing": ["otel"]}), 30.0, id="a default provider comes first"),
    ],
)
def test_the_older_settings_of_proxies_trace_where_nothing_newer_speaks(
    entries: list[dict[str, Any]], mesh: dict[str, Any], percent: float | None
) -> None:
    spans = tracing(*entries, mesh=mesh)
    assert (spans and spans.percent) == percent
    if spans:
        is_newer = "defaultProviders" in mesh
        assert spans.collector.kind == ("opentelemetry" if is_newer else "zipkin")


def test_spans_say_who_sends_them() -> None:
    spans = tracing({"providers": [{"name": "otel"}], "customTags": {"who": {"header": {"name": "end-user"}}}})
    assert spans is not None
    assert spans.collector.service == "web.shop"
    assert {("istio.canonical_revision", "v2"), ("who", "end-user")} <= {(tag.name, tag.value) for tag in spans.tags}
    bare = tracing({"providers": [{"name": "otel"}], "enableIstioTags": False})
    assert bare is not None
    assert bare.tags == ()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(ZIP, id="zipkin"),
        pytest.param({"providers": [{"name": "otel"}]}, id="OpenTelemetry"),
        pytest.param(
            {
                **ZIP,
                "customTags": {
                    "a": {"environment": {"name": "HOME", "defaultValue": "/"}},
                    "b": {"literal": {"value": "x"}},
                    "c": {"formatter": {"value": "%REQ(:METHOD)%"}},
                },
            },
            id="tags of every kind",
        ),
    ],
)
def test_envoy_knows_every_field_of_tracing(entry: dict[str, Any]) -> None:
    from labkit.mesh.envoy import filters, typed

    carries = ir.Http(side=ir.INBOUND, stat="x", telemetry=ir.Telemetry(tracing=tracing(entry)))
    manager = {**filters.connection_manager(carries)}
    kept = [f for f in manager["typed_config"]["http_filters"] if not f["name"].startswith("istio.")]
    manager = typed(manager["name"], "x") | {"typed_config": {**manager["typed_config"], "http_filters": kept}}
    assert messages.encoded("listeners", {"name": "x", "filter_chains": [{"filters": [manager]}]})


def test_metrics_that_are_all_switched_off_are_not_kept() -> None:
    off = {"metrics": [{"overrides": [{"disabled": True}]}]}
    assert told({}, off).inbound.metrics is None
    assert told({}, {}).inbound.metrics == ir.Metrics()
    elsewhere = {"metrics": [{"providers": [{"name": "nobody"}]}]}
    assert told({}, elsewhere).outbound.metrics is None


def _istios(listeners: dict[str, Any]) -> dict[Any, str]:
    """(listener, chain) → its filters by name, Istio's own with all they say."""
    filters: dict[Any, str] = {}
    for name, listener in listeners.items():
        for number, chain in enumerate([*listener.get("filter_chains", ()), listener.get("default_filter_chain")]):
            if chain:
                every = [f for entry in chain["filters"] for f in (entry, *_inner(entry))]
                own = [[f["name"], f["typed_config"] if f["name"].startswith("istio.") else None] for f in every]
                filters[name, chain.get("name") or number] = json.dumps(own, sort_keys=True)
    return filters


def _inner(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return list(entry.get("typed_config", {}).get("http_filters", ()))


def departures(*overrides: dict[str, Any]) -> list[tuple[str, bool]]:
    counted = told({"metrics": [{"providers": [{"name": "prometheus"}], "overrides": list(overrides)}]}).inbound.metrics
    return [(metric.name, metric.is_dropped) for metric in counted.departures] if counted else []


def test_an_override_of_a_custom_metric_changes_that_one_alone() -> None:
    assert departures({"match": {"customMetric": "mine"}, "disabled": True}) == [("mine", True)]
    both = ({"match": {"metric": "TCP_SENT_BYTES"}, "disabled": False}, {"match": {"customMetric": "a"}})
    assert departures(*both) == [("tcp_sent_bytes_total", False), ("a", False)]
    assert len(departures({"match": {"mode": "SERVER"}, "tagOverrides": {"x": {"value": "request.host"}}})) == 10
    assert departures({"match": {"mode": "CLIENT"}, "disabled": True}) == []


METRICS = ("metrics-empty-provider-list", "metrics-off-for-one-namespace", "metrics-tag-overrides")
DRAWN = ("007", "012", "015", "021", "027", "037")


@pytest.mark.parametrize(
    ("recording", "names"),
    [
        pytest.param(recorded.ISTIO.place, METRICS, id="written"),
        pytest.param(recorded.DRAWN.place, [f"drawn-telemetry-7-{number}" for number in DRAWN], id="drawn"),
    ],
)
def test_istios_own_filters_say_what_istio_says(recording: Any, names: list[str]) -> None:
    scenes = answers.Answers(recording)
    dumps = comparing.compiled(scenes)
    for name in names:
        ours, answer = dumps(scenes.input(name)), scenes.answer(name)
        for proxy, kinds in answer["proxies"].items():
            said = {n: answer["bodies"][key] for n, key in kinds.get("listeners", {}).items() if key}
            own = {n: listener for n, listener in ours[proxy]["listeners"].items() if n in said}
            there, here = _istios(said), _istios(own)
            assert {key: there[key] for key in here.keys() & there.keys()} == {
                key: here[key] for key in here.keys() & there.keys()
            }, (name, proxy)


def test_upstream_envoy_is_sent_no_filter_that_only_istios_has() -> None:
    from labkit.mesh.sandboxed import istios_filters as sandboxed

    chain = {"filters": [istios_filters.connection_peers(), {"name": "envoy.filters.network.tcp_proxy"}]}
    assert sandboxed.replaced({"filter_chains": [chain]}) == {"filter_chains": [{"filters": chain["filters"][1:]}]}
    unchanged = {"filters": chain["filters"][1:]}
    assert sandboxed.replaced(unchanged) is unchanged


def test_a_filter_of_istios_that_an_envoyfilter_renamed_is_still_one() -> None:
    from labkit.mesh.sandboxed import istios_filters as sandboxed

    own = [istios_filters.stats(ir.Metrics(), ir.OUTBOUND), istios_filters.alpn(), istios_filters.peers(ir.OUTBOUND)]
    renamed = [{**entry, "name": "envoy.filters.http.fault"} for entry in own]

    def replaced(http_filters: list[Resource]) -> Resource:
        manager = {"name": "manager", "typed_config": {"http_filters": http_filters}}
        return sandboxed.replaced({"filter_chains": [{"filters": [manager]}]})

    assert replaced(renamed) == replaced(own)


ZIPKIN = {"service": "zipkin.istio-system.svc.cluster.local", "port": 9411}
JAEGER = {"service": "jaeger.istio-system.svc.cluster.local", "port": 4317}
OTHERS = {
    "extensionProviders": [
        {"name": "dog", "datadog": {**ZIPKIN, "maxTagLength": 99}},
        {"name": "sky", "skywalking": {**JAEGER, "accessToken": "t"}},
        {"name": "light", "lightstep": JAEGER},
        {"name": "authz", "envoyExtAuthzHttp": {"service": "authz.shop", "port": 8000}},
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "kind", "config"),
    [
        pytest.param(
            "dog",
            "DatadogConfig",
            {
                "collector_cluster": "outbound|9411||zipkin.istio-system.svc.cluster.local",
                "collector_hostname": "zipkin.istio-system.svc.cluster.local",
                "service_name": "web.shop",
            },
            id="Datadog",
        ),
        pytest.param("sky", "SkyWalkingConfig", {"client_config": {"backend_token": "t"}}, id="SkyWalking"),
    ],
)
def test_spans_go_to_collectors_of_other_makers(provider: str, kind: str, config: dict[str, Any]) -> None:
    spans = tracing({"providers": [{"name": provider}]}, mesh=OTHERS)
    carries = ir.Http(side=ir.INBOUND, stat="x", telemetry=ir.Telemetry(tracing=spans))
    manager = filters.connection_manager(carries)["typed_config"]
    written = manager["tracing"]["provider"]["typed_config"]
    assert written["@type"].endswith(f".{kind}") and config.items() <= written.items()
    has_child = manager["http_filters"][-1]["typed_config"].get("start_child_span", False)
    assert has_child == (kind == "SkyWalkingConfig")
    chains = [{"filters": [{"name": "http", "typed_config": manager}]}]
    assert messages.encoded("listeners", {"name": "x", "filter_chains": chains})


@pytest.mark.parametrize(
    ("signal", "name", "why"),
    [
        pytest.param("tracing", "sky", "", id="one that is carried out"),
        pytest.param("tracing", "SKY", "", id="in any case"),
        pytest.param("tracing", "light", "is of type lightstep, which this sandbox's", id="one of Istio's alone"),
        pytest.param("tracing", "authz", "of type envoyExtAuthzHttp, which takes no tracing", id="of another purpose"),
        pytest.param("accessLogging", "sky", "of type skywalking, which takes no accessLogging", id="of another kind"),
        pytest.param("metrics", "nobody", "MeshConfig has no extension provider 'nobody' (it has authz,", id="unknown"),
        pytest.param("metrics", "prometheus", "", id="Istio's own"),
    ],
)
def test_a_provider_that_gets_nothing_is_named(signal: str, name: str, why: str) -> None:
    obj = {"kind": "Telemetry", "spec": {signal: [{}, {"providers": [{"name": name}]}]}}
    texts = provider_findings.findings(obj, OTHERS)
    assert bool(texts) == bool(why)
    for text in texts:
        assert text.startswith(f"spec.{signal}[1].providers[0] has no effect: ") and why in text


def test_a_tracer_of_proxies_own_settings_that_nobody_carries_out_is_named() -> None:
    (text,) = provider_findings.of_mesh({"defaultConfig": {"tracing": {"datadog": {"address": "a:1"}, "sampling": 5}}})
    assert text.startswith("defaultConfig.tracing.datadog has no effect")


def test_a_provider_of_the_mesh_that_nobody_carries_out_is_named() -> None:
    (text,) = provider_findings.of_mesh(OTHERS)
    assert text.startswith("extensionProviders[2] has no effect: provider 'light' is of type lightstep")
