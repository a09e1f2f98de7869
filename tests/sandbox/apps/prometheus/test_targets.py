"""What is scraped: the configuration read, objects discovered, labels rewritten."""

import pytest
import yaml

from labkit.install import addons
from labkit.sandbox.apps.prometheus import config, discovery, targets
from labkit.sandbox.apps.prometheus.relabeling import Rule, relabeled


def job(**entry):
    text = yaml.safe_dump({"scrape_configs": [{"job_name": "j", **entry}]})
    return config.parse(text).jobs[0]


def pod(name="web-1", *, ip="127.66.0.5", phase="Running", annotations=None, ports=(8080,)):
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}, "annotations": annotations or {}},
        "spec": {
            "nodeName": "sandbox",
            "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": p} for p in ports]}],
        },
        "status": {"podIP": ip, "phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
    }


SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"}


def our_job():
    (manifest,) = (obj for obj in addons.objects("prometheus") if obj["kind"] == "ConfigMap")
    return config.parse(manifest["data"]["prometheus.yml"]).jobs[0]


def urls(pods, of=None):
    found = targets.of_job(of or our_job(), discovery.Objects(pods=pods))
    return [target.url for target in found.active]


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod(annotations=SCRAPED)], ["http://127.66.0.5:15020/stats/prometheus"]),
        ([pod(annotations=SCRAPED, ports=(8080, 9090))], ["http://127.66.0.5:15020/stats/prometheus"]),
        ([pod()], []),
        ([pod(annotations=SCRAPED, phase="Succeeded")], []),
        ([pod(annotations={"prometheus.io/scrape": "true"})], ["http://127.66.0.5:8080/metrics"]),
        ([pod(annotations=SCRAPED, ip="")], []),
    ],
    ids=[
        "by annotations",
        "once for two ports",
        "not without",
        "not when ended",
        "at its own port",
        "not without an IP",
    ],
)
def test_pods_are_scraped_by_annotation(pods, expected):
    assert urls(pods) == expected


def test_a_target_has_its_pods_labels():
    (target,) = targets.of_job(our_job(), discovery.Objects(pods=[pod(annotations=SCRAPED)])).active
    assert dict(target.labels) == {
        "app": "web",
        "instance": "127.66.0.5:15020",
        "job": "kubernetes-pods",
        "namespace": "shop",
        "pod": "web-1",
    }


def test_endpoints_are_targets_with_their_service_and_pod():
    endpoints = {
        "metadata": {"name": "web", "namespace": "shop"},
        "subsets": [
            {
                "addresses": [{"ip": "127.66.0.5", "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop"}}],
                "ports": [{"name": "http", "port": 8080}],
            }
        ],
    }
    service = {"metadata": {"name": "web", "namespace": "shop", "annotations": {"prometheus.io/scrape": "true"}}}
    objects = discovery.Objects(pods=[pod()], services=[service], endpoints=[endpoints])
    (found,) = discovery.targets("endpoints", objects)
    assert found["__address__"] == "127.66.0.5:8080"
    assert found["__meta_kubernetes_service_annotation_prometheus_io_scrape"] == "true"
    assert found["__meta_kubernetes_pod_label_app"] == "web"
    assert found["__meta_kubernetes_pod_container_port_number"] == "8080"


def test_parameters_and_schemes_come_into_the_url():
    of = job(static_configs=[{"targets": ["a:1"]}], scheme="https", metrics_path="/p", params={"module": ["x y"]})
    assert urls([], of) == ["https://a:1/p?module=x+y"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(source_labels=("a", "b"), regex="(.+);(.+)", target_label="c", replacement="${2}-$1"), "2-1"),
        (Rule(action="labelmap", regex="(a)", replacement="c"), "1"),
        (Rule(source_labels=("a",), regex="x", target_label="c"), None),
        (Rule(action="hashmod", source_labels=("a",), modulus=8, target_label="c"), "3"),
        (Rule(action="uppercase", source_labels=("d",), target_label="c"), "WORD"),
    ],
    ids=["replace", "labelmap", "no match", "hashmod", "uppercase"],
)
def test_a_rule_sets_a_label(rule, expected):
    result = relabeled({"a": "1", "b": "2", "d": "word"}, [rule])
    assert result is not None
    assert result.get("c") == expected


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (Rule(action="keep", source_labels=("a",), regex="1"), True),
        (Rule(action="drop", source_labels=("a",), regex="1"), False),
        (Rule(action="keepequal", source_labels=("a",), target_label="b"), False),
        (Rule(action="dropequal", source_labels=("a",), target_label="b"), True),
    ],
    ids=["keep", "drop", "keepequal", "dropequal"],
)
def test_a_rule_drops_a_target(rule, kept):
    assert (relabeled({"a": "1", "b": "2"}, [rule]) is not None) == kept


def test_what_is_not_carried_out_is_named():
    text = """
    alerting: {alertmanagers: [{}]}
    scrape_configs:
    - {job_name: a, consul_sd_configs: [{server: x}]}
    - {job_name: b, kubernetes_sd_configs: [{role: ingress}]}
    """
    assert list(config.parse(text).unsupported) == [
        "alerting",
        "scrape_configs[a].consul_sd_configs",
        "scrape_configs[b].kubernetes_sd_configs role ingress",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scrape_configs: [{job_name: a}, {job_name: a}]", "multiple scrape configs"),
        ("scrape_configs: [{job_name: a, scrape_interval: soon}]", "not a valid duration"),
        ("scrape_configs: [{job_name: a, relabel_configs: [{action: hide}]}]", "unknown relabel action"),
        ("a: [", "not YAML"),
    ],
    ids=["a name twice", "no duration", "no action", "no YAML"],
)
def test_a_broken_file_is_refused(text, words):
    with pytest.raises(config.ConfigError, match=words):
        config.parse(text)
