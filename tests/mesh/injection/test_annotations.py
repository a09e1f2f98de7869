"""Annotations of a pod are carried out, or refused in Istio's words."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.mesh import injection
from labkit.mesh.injection import annotations

Object = dict[str, Any]
NAMESPACE = {"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}}
FAILED = "failed to run injection template: 1 error occurred:\n\t* invalid value "


def inject(given: dict[str, str], **container: Any) -> Object:
    pod = {
        "metadata": {"name": "web", "namespace": "shop", "annotations": given},
        "spec": {"containers": [{"name": "web", "image": "web", **container}]},
    }
    injected = injection.inject(pod, namespace=NAMESPACE)
    assert injected is not None
    return injected


def container(pod: Object, name: str) -> Object | None:
    every = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return next((c for c in every if c["name"] == name), None)


def proxy(given: dict[str, str]) -> Object:
    sidecar = container(inject(given), "istio-proxy")
    assert sidecar is not None
    return sidecar


def env(given: dict[str, str]) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in proxy(given)["env"]}


NO_OBJECT = "json: cannot unmarshal number into Go value of type map[string]interface {}"
REFUSED = [
    (
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        "10.0.0.0/99",
        "includeIPRanges invalid: failed parsing cidr '10.0.0.0/99': "
        'netip.ParsePrefix("10.0.0.0/99"): prefix length out of range',
    ),
    (
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        "foo",
        "excludeIPRanges invalid: failed parsing cidr 'foo': netip.ParsePrefix(\"foo\"): no '/'",
    ),
    ("sidecar.istio.io/interceptionMode", "FOO", "interceptionMode invalid, use REDIRECT,TPROXY,NONE: FOO"),
    (
        "status.sidecar.istio.io/port",
        "abc",
        "excludeInboundPorts invalid: failed parsing port 'abc': strconv.ParseUint: parsing \"abc\": invalid syntax",
    ),
    (
        "readiness.status.sidecar.istio.io/periodSeconds",
        "abc",
        'strconv.ParseUint: parsing "abc": invalid syntax',
    ),
    (
        "readiness.status.sidecar.istio.io/initialDelaySeconds",
        "-1",
        'strconv.ParseUint: parsing "-1": invalid syntax',
    ),
    (
        "readiness.status.sidecar.istio.io/failureThreshold",
        "99999999999",
        'strconv.ParseUint: parsing "99999999999": value out of range',
    ),
    ("prometheus.istio.io/merge-metrics", "maybe", 'strconv.ParseBool: parsing "maybe": invalid syntax'),
    (
        "proxy.istio.io/config",
        "concurrency: banana",
        "failed to convert to apply proxy config: invalid character 'b' looking for beginning of value",
    ),
    (
        "proxy.istio.io/config",
        "terminationDrainDuration: soon",
        'failed to convert to apply proxy config: bad Duration: time: invalid duration "soon"',
    ),
    (
        "proxy.istio.io/config",
        "proxyMetadata: 3",
        "failed to convert to apply proxy config: json: cannot unmarshal number into Go value of type "
        "map[string]json.RawMessage",
    ),
    (
        "proxy.istio.io/config",
        "proxyMetadata: {A: 1}",
        "failed to convert to apply proxy config: json: cannot unmarshal number into Go value of type string",
    ),
    (
        "proxy.istio.io/config",
        "just words",
        "failed to convert to apply proxy config: json: cannot unmarshal string into Go value of type "
        "map[string]json.RawMessage",
    ),
    (
        "traffic.sidecar.istio.io/includeInboundPorts",
        "abc",
        "includeInboundPorts invalid: failed parsing port 'abc': failed parsing port 'abc': "
        'strconv.ParseUint: parsing "abc": invalid syntax',
    ),
    ("sidecar.istio.io/userVolume", "name: certs", "invalid character 'a' in literal null (expecting 'u')"),
    ("sidecar.istio.io/userVolume", '{"a":1}', NO_OBJECT),
    ("sidecar.istio.io/userVolumeMount", "[1]", NO_OBJECT),
    ("sidecar.istio.io/userVolumeMount", "notjson", "invalid character 'o' in literal null (expecting 'u')"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "problem"), REFUSED, ids=lambda text: text[-30:])
def test_values_without_sense_are_refused(name: str, value: str, problem: str) -> None:
    with pytest.raises(injection.InjectionError) as refusal:
        inject({name: value})
    assert str(refusal.value) == f"{FAILED}'{value}' for annotation '{name}': {problem}\n\n"


def test_several_refusals_are_listed() -> None:
    with pytest.raises(injection.InjectionError, match="2 errors occurred"):
        inject({"sidecar.istio.io/proxyCPU": "lots", "sidecar.istio.io/interceptionMode": "FOO"})


def test_readiness_follows_its_annotations() -> None:
    given = {
        "readiness.status.sidecar.istio.io/initialDelaySeconds": "3",
        "readiness.status.sidecar.istio.io/periodSeconds": "7",
        "readiness.status.sidecar.istio.io/failureThreshold": "9",
    }
    probe = proxy(given)["readinessProbe"]
    assert (probe["initialDelaySeconds"], probe["periodSeconds"], probe["failureThreshold"]) == (3, 7, 9)


def test_status_port_zero_leaves_the_proxy_without_probes() -> None:
    assert {"readinessProbe", "startupProbe"}.isdisjoint(proxy({"status.sidecar.istio.io/port": "0"}))


def test_another_status_port_is_not_captured() -> None:
    init = container(inject({"status.sidecar.istio.io/port": "16000"}), "istio-init")
    assert init is not None
    assert init["args"][init["args"].index("-d") + 1] == "15090,15021,16000"


def test_tproxy_needs_a_privileged_proxy() -> None:
    given = {"sidecar.istio.io/interceptionMode": "TPROXY"}
    init = container(inject(given), "istio-init")
    assert init is not None
    assert init["args"][init["args"].index("-m") + 1] == "TPROXY"
    assert proxy(given)["securityContext"]["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    assert env(given)["ISTIO_META_INTERCEPTION_MODE"] == "TPROXY"


def test_without_capture_there_is_no_init_container() -> None:
    pod = inject({"sidecar.istio.io/interceptionMode": "NONE"})
    assert container(pod, "istio-init") is None
    assert container(pod, "istio-proxy") is not None


def test_proxy_metadata_are_variables_of_the_proxy() -> None:
    assert (
        env({"proxy.istio.io/config": "proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}"})["ISTIO_META_DNS_CAPTURE"]
        == "true"
    )


@pytest.mark.parametrize(
    ("annotation", "has_own"),
    [({}, True), ({"prometheus.istio.io/merge-metrics": "false"}, False), ({"prometheus.io/scrape": "false"}, False)],
    ids=["merged", "not merged", "not scraped"],
)
def test_prometheus_is_sent_to_the_agent_where_metrics_are_merged(annotation: dict[str, str], has_own: bool) -> None:
    given = {"prometheus.io/port": "9090", "prometheus.io/path": "/m", **annotation}
    after = inject(given)["metadata"]["annotations"]
    assert (after["prometheus.io/port"] == "15020") is has_own
    assert ("ISTIO_PROMETHEUS_ANNOTATIONS" in env(given)) is has_own


def test_an_own_bootstrap_is_mounted() -> None:
    pod = inject({"sidecar.istio.io/bootstrapOverride": "mine"})
    assert {"name": "custom-bootstrap-volume", "configMap": {"name": "mine"}} in pod["spec"]["volumes"]


@pytest.mark.parametrize(
    "text", ['{"certs":{"secret":{"secretName":"x"}}}', '[{"name":"certs","secret":{"secretName":"x"}}]']
)
def test_user_volumes_are_a_map_or_a_list(text: str) -> None:
    pod = inject({"sidecar.istio.io/userVolume": text})
    assert {"name": "certs", "secret": {"secretName": "x"}} in pod["spec"]["volumes"]


PROBE = {"httpGet": {"path": "/ready", "port": 8080}}


@pytest.mark.parametrize(
    ("value", "is_rewritten"),
    [("true", True), ("false", False), ("0", False), ("F", False), ("no", True)],
)
def test_probes_stay_the_apps_where_go_reads_a_no(value: str, is_rewritten: bool) -> None:
    pod = inject({"sidecar.istio.io/rewriteAppHTTPProbers": value}, readinessProbe=PROBE)
    web = container(pod, "web")
    assert web is not None
    assert (web["readinessProbe"] != PROBE) is is_rewritten


NAMES = sorted(
    {
        *annotations.CHECKS,
        "sidecar.istio.io/inject",
        "sidecar.istio.io/nativeSidecar",
        "sidecar.istio.io/proxyImage",
        "sidecar.istio.io/proxyImageType",
        "sidecar.istio.io/logLevel",
        "sidecar.istio.io/rewriteAppHTTPProbers",
        "sidecar.istio.io/bootstrapOverride",
        "inject.istio.io/templates",
        "prometheus.io/scrape",
    }
)
ODD = st.text() | st.sampled_from(
    ["", "[]", "{}", "null", "[null]", '{"a":null}', "- a", "a: b", "!!binary x", "&a *a", "2026-01-01", "{1: 2}"]
)


@given(given=st.dictionaries(st.sampled_from(NAMES), ODD, max_size=4))
@example({"proxy.istio.io/config": "[" * 5000})
@example({"sidecar.istio.io/userVolume": "[" * 100_000})
@example({"proxy.istio.io/config": "concurrency: .inf"})
@example({"proxy.istio.io/config": "statusPort: '1e400'"})
@example({"proxy.istio.io/config": "proxyAdminPort: '1e3'"})
@example({"sidecar.istio.io/userVolume": "[{}]"})
@example({"sidecar.istio.io/userVolumeMount": "[{}]"})
def test_any_text_in_any_annotation_gets_a_verdict(given: dict[str, str]) -> None:
    pod = {"metadata": {"name": "web", "annotations": given}, "spec": {"containers": [{"name": "web"}]}}
    try:
        injection.inject(pod, namespace=NAMESPACE)
    except injection.InjectionError as refusal:
        assert str(refusal).startswith("failed to run injection template: ")


def test_a_pod_without_containers_is_left_to_the_api_server() -> None:
    pod = {"metadata": {"name": "web"}, "spec": {"containers": None}}
    injected = injection.inject(pod, namespace=NAMESPACE)
    assert injected is not None
    assert injected["spec"]["containers"] == []


def test_what_the_mesh_says_of_every_proxy_stands_below_what_the_pod_says():
    mesh = {"trustDomain": "example.org", "defaultConfig": {"proxyMetadata": {"SECRET_TTL": "1h", "A": "mesh"}}}
    own = {"proxy.istio.io/config": "proxyMetadata: {A: pod}"}
    metadata = {"name": "web", "annotations": own}
    pod = injection.inject(
        {"metadata": metadata, "spec": {"containers": [{"name": "app", "image": "i"}]}}, namespace=NAMESPACE, mesh=mesh
    )
    env = {e["name"]: e.get("value") for e in container(pod, "istio-proxy")["env"]}
    assert (env["SECRET_TTL"], env["A"], env["TRUST_DOMAIN"]) == ("1h", "pod", "example.org")
