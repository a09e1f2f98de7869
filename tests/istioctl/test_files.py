"""Commands of the lab's istioctl that need no cluster: analysis of files, validation, injection."""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from labkit import istioctl
from labkit.base import settings

RECORDED = gzip.decompress((Path(__file__).parents[1] / "mesh" / "analysis" / "answers.jsonl.gz").read_bytes())
CASES = {case["case"]: case for case in map(json.loads, RECORDED.splitlines())}

SHARED = {"gateway-that-does-not-exist", "gateway-in-another-namespace-missing", "service-entries-in-conflict"}
"""Scenes in which istioctl gives the line of one message to another one of the same object, now this, now that."""


def run(*words, text=""):
    return istioctl.run(words, kubeconfig=Path("/nowhere"), text=text)


def typed(objects):
    return "---\n".join(yaml.safe_dump(obj, sort_keys=False) for obj in objects)


@pytest.mark.parametrize("case", [c for name, c in CASES.items() if name not in SHARED], ids=lambda c: c["case"])
def test_a_message_names_the_line_that_istioctl_names(case):
    done = run("analyze", "--use-kube=false", "-o", "json", "-", text=typed(case["objects"]))
    places = [(m["code"], m["origin"], m["reference"]) for m in json.loads(done.out)]
    assert sorted(places) == sorted((m["code"], m["origin"], m["reference"]) for m in case["files"]["messages"])
    assert done.code == 0


def test_errors_end_the_text_form_with_79():
    done = run("analyze", "--use-kube=false", "-", text=typed(CASES["schema-error"]["objects"]))
    assert done.code == 79
    assert done.out.startswith("Error [IST0106] (VirtualService default/v FILE:1) Schema validation error: ")
    assert done.err.startswith("Error: Analyzers found issues when analyzing FILE.\nSee https://istio.io/")


def test_warnings_are_below_the_threshold_unless_it_is_lowered():
    text = typed(CASES["tls-simple-without-ca"]["objects"])
    words = ("analyze", "--use-kube=false", "-")
    assert run(*words, text=text).code == 0
    assert run(*words, "--failure-threshold", "Warning", text=text).code == 79


def test_nothing_wrong_is_said_on_standard_error():
    done = run("analyze", "--use-kube=false", "-", text=typed(CASES["nothing-wrong"]["objects"]))
    assert (done.code, done.out) == (0, "")
    assert done.err == "✔ No validation issues found when analyzing FILE.\n"


def test_a_code_may_be_suppressed_for_objects_of_a_pattern():
    text = typed(CASES["schema-error"]["objects"])
    done = run("analyze", "--use-kube=false", "-S", "IST0106=VirtualService default/*", "-", text=text)
    assert done.code == 0


def test_text_that_is_no_yaml_is_refused_with_its_line():
    done = run("analyze", "--use-kube=false", "-", text="a: [")
    assert done.code == 1
    assert "line 1" in done.err


def test_validate_tells_every_refusal_and_exits_with_1():
    done = run("validate", "-f", "-", text=typed(CASES["regex-that-does-not-compile"]["objects"]))
    assert done.code == 1
    assert "VirtualService/default/v:" in done.err
    assert run("validate", "-f", "-", text=typed(CASES["nothing-wrong"]["objects"])).out == '"-" is valid\n'


def test_kube_inject_gives_deployments_a_proxy_and_leaves_services_alone():
    bookinfo = settings.CHECKOUT / "notebooks" / "manifests" / "bookinfo.yaml"
    before = [obj for obj in yaml.safe_load_all(bookinfo.read_text()) if obj]
    after = list(yaml.safe_load_all(run("kube-inject", "-f", str(bookinfo)).out))
    for old, new in zip(before, after, strict=True):
        if old["kind"] == "Deployment":
            containers = new["spec"]["template"]["spec"]["initContainers"]
            assert "istio-proxy" in [container["name"] for container in containers]
        else:
            assert new == old


def test_version_says_that_it_is_the_labs():
    assert run("version", "--remote=false").out == "client version: 1.31.1 (the lab's own stand-in for istioctl)\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nosuch",), "invalid choice: 'nosuch'"),
        (("analyze", "--nosuch"), "unrecognized arguments: --nosuch"),
        (("proxy-config", "log", "x", "--level", "loud"), ""),
        (("analyze", "--failure-threshold", "Fatal", "--use-kube=false"), "Fatal"),
    ],
    ids=["a command that there is not", "a flag that there is not", "no cluster", "a level that there is not"],
)
def test_what_cannot_be_done_is_named_with_exit_code_1(words, named):
    done = run(*words)
    assert done.code == 1
    assert done.err.startswith("Error: ")
    assert named in done.err


def test_rows_of_a_dump_need_no_pod(tmp_path):
    route = {"match": {"prefix": "/reviews"}, "route": {"cluster": "c"}}
    route["metadata"] = {"filter_metadata": {"istio": {"config": "/apis/n/v1/namespaces/default/virtual-service/r"}}}
    table = {"name": "9080", "virtual_hosts": [{"name": "a:9080", "domains": ["*"], "routes": [route]}]}
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"configs": [{"dynamic_route_configs": [{"route_config": table}]}]}))
    header, row = run("proxy-config", "routes", "-f", str(dump)).out.splitlines()
    assert header.split() == ["NAME", "VHOST", "NAME", "DOMAINS", "MATCH", "VIRTUAL", "SERVICE"]
    assert row.split() == ["9080", "a:9080", "*", "/reviews*", "r.default"]
    document = json.loads(run("pc", "r", "-f", str(dump), "-o", "json").out)
    assert document[0]["virtualHosts"][0]["routes"][0]["metadata"]["filterMetadata"]["istio"]["config"]


@pytest.mark.parametrize(
    "section", ["dynamic_listeners", "ecds_filters"], ids=["in a listener", "discovered beside it"]
)
def test_policies_are_told_from_the_filters_that_enforce_them(section, tmp_path):
    rules = {"action": "DENY", "policies": {f"ns[shop]-policy[no-one]-rule[{n}]": {} for n in (0, 1)}}
    rbac = {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": rules}
    listener = {"name": "virtualInbound", "filter_chains": [{"filters": [{"name": "rbac", "typed_config": rbac}]}]}
    entry = {"active_state": {"listener": listener}} if section == "dynamic_listeners" else {"ecds_filter": rbac}
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"configs": [{section: [entry]}]}))
    _, row = run("experimental", "authz", "check", "-f", str(dump)).out.splitlines()
    assert row.split() == ["DENY", "no-one.shop", "2"]
