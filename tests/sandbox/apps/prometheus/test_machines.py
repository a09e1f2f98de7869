"""The machine's own Prometheus, where it has no discovery in Kubernetes: the same targets, asked for over HTTP."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from labkit.install import addons
from labkit.sandbox.apps.exchange import Request
from labkit.sandbox.apps.prometheus import config, discovery, machines, targets, translation

URL = "http://127.66.0.9:4000"
POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}]}]},
    "status": {"podIP": "127.66.0.5", "phase": "Running"},
}


def translated(**document):
    return translation.translated(yaml.safe_dump(document), url=URL, token="t", folder=Path("/etc/prometheus"))


def request(path="/pod", token="t"):
    headers = {"authorization": f"Bearer {token}"}
    return Request(method="GET", path=path, query="", fields=[], headers=headers, body=b"", peer="")


def test_each_role_is_asked_for_over_http_and_the_rest_stays():
    jobs = [
        {"job_name": "pods", "kubernetes_sd_configs": [{"role": "pod"}], "relabel_configs": [{"action": "keep"}]},
        {"job_name": "both", "kubernetes_sd_configs": [{"role": "node"}, {"role": "pod"}]},
        {"job_name": "self", "static_configs": [{"targets": ["localhost:9090"]}]},
    ]
    result = translated(scrape_configs=jobs, rule_files=["rules.yml", "/else/where.yml"])
    document = yaml.safe_load(result.text)
    urls = [[sd["url"] for sd in job.get("http_sd_configs", [])] for job in document["scrape_configs"]]
    assert urls == [[f"{URL}/pod"], [f"{URL}/node", f"{URL}/pod"], []]
    assert document["scrape_configs"][0]["relabel_configs"] == [{"action": "keep"}]
    assert document["rule_files"] == ["/etc/prometheus/rules.yml", "/else/where.yml"]
    assert (result.roles, result.unsupported) == (("pod", "node"), ())


def test_discovery_that_is_not_carried_out_is_named():
    discoveries = [{"role": "ingress"}, {"role": "pod", "namespaces": {"names": ["shop"]}}]
    result = translated(scrape_configs=[{"job_name": "a", "kubernetes_sd_configs": discoveries}])
    assert result.unsupported == (
        "scrape_configs[a].kubernetes_sd_configs role ingress",
        "scrape_configs[a].kubernetes_sd_configs.namespaces",
    )


@pytest.mark.parametrize("text", ["- a list", "[", "text"])
def test_a_text_that_is_no_configuration_is_refused(text):
    with pytest.raises((ValueError, yaml.YAMLError)):
        translation.translated(text, url=URL, token="t", folder=Path("/"))


def test_targets_over_http_are_those_that_our_own_discovery_has():
    (group,) = json.loads(machines.groups(discovery.targets("pod", discovery.Objects(pods=[POD]))))
    job = {"job_name": "j", "kubernetes_sd_configs": [{"role": "pod"}]}
    parsed = config.parse(yaml.safe_dump({"scrape_configs": [job]}))
    (own,) = targets.of_job(parsed.jobs[0], discovery.Objects(pods=[POD])).active
    assert group["targets"] == [own.discovered["__address__"]]
    assert group["labels"].items() <= own.discovered.items()
    assert group["labels"]["__meta_kubernetes_pod_annotation_prometheus_io_scrape"] == "true"


def test_targets_are_told_to_whoever_has_the_token():
    lent = machines.Targets()
    assert lent.handle(request(token="guess")).status == 401
    assert lent.handle(request(token=lent.token)).status == 200


@pytest.mark.skipif(not shutil.which("promtool"), reason="this machine has no promtool")
def test_the_machines_promtool_takes_the_translated_addon(tmp_path):
    (manifest,) = (obj for obj in addons.objects("prometheus") if obj["kind"] == "ConfigMap")
    text = manifest["data"]["prometheus.yml"]
    path = tmp_path / "prometheus.yml"
    path.write_text(translation.translated(text, url=URL, token="t", folder=tmp_path).text)
    assert machines.refusal(shutil.which("promtool"), path) == ""
