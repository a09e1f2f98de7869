"""The lab's istioctl on a running sandbox: every command of the course, once."""

import json
import os
import subprocess
import tarfile

import pytest

from labkit import Lab, istioctl
from labkit.base import waiting
from labkit.install import kinds
from labkit.istioctl import shim
from labkit.kube import manifests, resources

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def run(sandbox):
    return lambda *words, text="": istioctl.run(words, kubeconfig=sandbox.kubeconfig, text=text)


def rows(done):
    assert done.code == 0, done.err
    return [line.split() for line in done.out.splitlines()]


def test_every_proxy_has_a_row_with_its_subscriptions(run):
    header, *proxies = rows(run("proxy-status"))
    assert header == ["NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED", "TYPES"]
    assert len(proxies) >= 7
    assert all(proxy[1] == "Kubernetes" and proxy[2].startswith("istiod-") for proxy in proxies)


def test_the_longer_form_says_what_is_synced(run):
    header, *proxies = rows(run("ps", "-v", "1"))
    assert header[2:7] == ["CDS", "LDS", "EDS", "RDS", "ECDS"]
    assert all(proxy[2] == "SYNCED" for proxy in proxies)


def test_one_proxy_is_compared_with_istiod(run):
    assert run("ps", "deploy/reviews-v1").out.splitlines()[0] == "Clusters Match"


@pytest.mark.parametrize(
    ("part", "flags", "seen"),
    [
        ("cluster", ("--fqdn", "ratings", "--port", "9080"), "ratings.default.svc.cluster.local"),
        ("listener", ("--port", "9080"), "Route: 9080"),
        ("route", ("--name", "9080"), "ratings.default.svc.cluster.local:9080"),
        ("endpoint", ("--cluster", "outbound|9080||ratings.default.svc.cluster.local"), "HEALTHY"),
        ("secret", (), "ROOTCA"),
        ("bootstrap", (), "dynamicResources"),
        ("log", (), "active loggers:"),
        ("all", (), "SERVICE FQDN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_part_of_a_proxys_configuration_is_shown(run, part, flags, seen):
    done = run("proxy-config", part, "deploy/reviews-v1", *flags)
    assert done.code == 0, done.err
    assert seen in done.out


def test_json_has_the_names_of_protobuf(run):
    clusters = json.loads(run("pc", "c", "deploy/reviews-v1", "--fqdn", "ratings", "-o", "json").out)
    assert {"connectTimeout", "edsClusterConfig"} <= clusters[0].keys()


def test_describe_names_ports_and_the_mode_of_mutual_tls(run):
    done = run("x", "describe", "pod", json.loads(run("ps", "-o", "json").out)[0]["proxy"])
    assert "Effective PeerAuthentication:" in done.out
    assert "Service: reviews" in run("x", "describe", "svc", "reviews").out


def test_versions_are_of_both_planes(run):
    lines = run("version").out.splitlines()
    assert lines[1] == "control plane version: 1.31.1"
    assert lines[2].startswith("data plane version: 1.31.1 (")


def test_policies_of_a_proxy_are_a_table(run):
    assert rows(run("x", "authz", "check", "deploy/reviews-v1"))[0] == ["ACTION", "AuthorizationPolicy", "RULES"]


def test_a_file_is_analyzed_as_if_it_were_applied(run):
    rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: x}\nspec: {host: nosuch}\n"
    done = run("analyze", "-", text=rule)
    assert "Warning [IST0174] (DestinationRule default/x FILE:1)" in done.out


def test_a_pod_that_is_not_there_is_named_with_the_next_command(run):
    done = run("pc", "routes", "nosuch.default")
    assert done.code == 1
    assert 'pods "nosuch" not found' in done.err
    assert "Next: kubectl" in done.err


def test_a_setting_that_is_not_carried_out_is_refused_by_name(run):
    done = run("install", "-y", "--set", "values.global.proxy.privileged=true")
    assert done.code == 1
    assert "values.global.proxy.privileged" in done.err
    assert run("install", "-y", "--set", "profile=openshift").code == 1


def test_a_tag_is_set_listed_and_removed(run):
    assert run("tag", "set", "prod", "--revision", "default").code == 0
    assert rows(run("tag", "list"))[1][:2] == ["prod", "default"]
    assert run("tag", "set", "prod", "--revision", "default").code == 1
    assert run("tag", "remove", "prod", "-y").code == 0
    assert len(rows(run("tag", "list"))) == 1


def test_pods_of_a_namespace_with_a_tag_get_a_proxy(run, sandbox):
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "tagged", "labels": {"istio.io/rev": "prod"}},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "tagged"}}
    pod["spec"] = {"containers": [{"name": "app", "image": "docker.io/curlimages/curl:8.16.0"}]}
    sandbox.client.create(resources.NAMESPACES, namespace)
    try:
        plain = sandbox.client.create(resources.PODS, pod, dry_run=True)
        run("tag", "set", "prod", "--revision", "default")
        injected = sandbox.client.create(resources.PODS, pod, dry_run=True)
        assert "tagged" in run("tag", "list").out
        assert "IST0139" not in run("analyze", "-A").out
    finally:
        run("tag", "remove", "prod", "-y")
        sandbox.client.delete(resources.NAMESPACES, "tagged")
    assert [c["name"] for c in plain["spec"].get("initContainers") or []] == []
    assert "istio-proxy" in [c["name"] for c in injected["spec"]["initContainers"]]


def test_the_log_levels_of_istiod_are_shown_and_set_while_it_runs(run):
    header, *scopes = rows(run("admin", "log"))
    assert header == ["ACTIVE", "SCOPE", "DESCRIPTION", "LOG", "LEVEL"]
    assert {row[0]: row[-1] for row in scopes}["ads"] == "info"
    assert run("admin", "log", "--level", "ads:debug").code == 0
    assert {row[0]: row[-1] for row in rows(run("admin", "log"))[1:]}["ads"] == "debug"
    assert run("admin", "log", "--reset").code == 0
    assert {row[-1] for row in rows(run("admin", "log"))[1:]} == {"info"}
    wrong = run("admin", "log", "--level", "ads:loud")
    assert (wrong.code, "SCOPE:LEVEL" in wrong.err) == (1, True)


def test_a_bug_report_has_no_keys(run, tmp_path):
    assert run("bug-report", "--dir", str(tmp_path), "--include", "default").code == 0
    with tarfile.open(tmp_path / "bug-report.tar.gz") as archive:
        names = archive.getnames()
        dump = next(n for n in names if n.endswith("/config_dump"))
        text = archive.extractfile(dump).read().decode()
    assert "bug-report/analyze" in names
    assert "PRIVATE KEY" not in text


def test_the_command_of_a_terminal_is_the_same_program(sandbox, run):
    script = shim.folder(sandbox.paths) / "istioctl"
    environment = {**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)}
    done = subprocess.run([script, "proxy-status"], env=environment, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(run("proxy-status").out.splitlines())


RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: revised}
spec:
  hosts: [revised.test]
  http: [{directResponse: {status: 200}}]
"""
SHOP = """
apiVersion: v1
kind: Namespace
metadata: {name: revised, labels: {istio.io/rev: prod}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: revised}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: curl, image: curlimages/curl}]}
"""


@pytest.fixture(scope="module")
def canary(sandbox, run):
    """A second control plane, and a pod of a namespace that a tag gives to it; the gateway stays where it is."""
    words = ("install", "--set", "profile=minimal", "--revision", "canary", "-y")
    assert run(*words).code == 0
    assert run("tag", "set", "prod", "--revision", "canary").code == 0
    kinds.apply_all(sandbox.client, manifests.parse(SHOP, source="shop"))
    kinds.until_rolled_out(sandbox.client, ["client"], "revised", timeout=60)
    yield
    sandbox.client.delete(resources.NAMESPACES, "revised")
    run("tag", "remove", "prod", "-y")
    run("uninstall", "--revision", "canary", "-y")


def proxies_of(run, part):
    return [row for row in rows(run("proxy-status")) if part in row[2]]


def test_a_tagged_namespace_hangs_on_the_revision_of_its_tag(canary, run):
    assert [row[0].rpartition(".")[2] for row in proxies_of(run, "istiod-canary-")] == ["revised"]
    assert rows(run("tag", "list"))[1:] == [["prod", "canary", "revised"]]
    assert run("analyze", "-A").out.count("IST0139") == 0


def test_a_rule_is_live_at_the_proxies_of_both_revisions(canary, sandbox):
    lab = Lab.connect(kubeconfig=sandbox.kubeconfig)
    applied = str(lab.apply(RULE).live)
    assert "live on 8 of 8 proxies" in applied
    lab.delete(RULE)


def test_rolling_back_is_moving_the_tag_and_restarting(canary, run, sandbox):
    refused = run("tag", "set", "prod", "--revision", "default")
    assert (refused.code, "--overwrite" in refused.err) == (1, True)
    assert run("tag", "set", "prod", "--revision", "default", "--overwrite").code == 0
    (pod,) = sandbox.client.list(resources.PODS, "revised")
    sandbox.client.delete(resources.PODS, resources.name_of(pod), "revised")
    kinds.until_rolled_out(sandbox.client, ["client"], "revised", timeout=60)
    waiting.until(lambda: not proxies_of(run, "istiod-canary-"), what="no proxy at canary", timeout=30, next_step="")


def test_the_revision_that_is_left_goes_and_the_other_stays(canary, run, sandbox):
    assert run("uninstall", "--revision", "canary", "-y").code == 0
    deployments = [resources.name_of(d) for d in sandbox.client.list(resources.DEPLOYMENTS, "istio-system")]
    assert [name for name in deployments if name.startswith("istiod")] == ["istiod"]
    again = run("uninstall", "--revision", "canary", "-y")
    assert (again.code, "no control plane" in again.err or "could not find" in again.err) == (1, True)


HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
SERVICES = "/api/v1/namespaces/istio-system/services"


@pytest.mark.parametrize(
    ("path", "query", "count"),
    [
        (HOOKS, "labelSelector=istio.io%2Frev%3Dcanary%2C%21istio.io%2Ftag", 0),
        (HOOKS, "labelSelector=istio.io%2Frev%3Ddefault%2C%21istio.io%2Ftag", 1),
        (HOOKS, "labelSelector=app%3Dsidecar-injector%2C+istio.io%2Ftag%3Ddefault", 0),
        (SERVICES, "labelSelector=istio.io%2Frev%3Ddefault%2C%21istio.io%2Ftag%2Capp%3Distiod", 1),
        (
            "/api/v1/namespaces/istio-system/pods",
            "fieldSelector=status.phase%3DRunning&labelSelector=app%3Distiod%2Cistio.io%2Frev%3Ddefault",
            1,
        ),
    ],
)
def test_what_a_stock_istioctl_asks_for_is_answered(sandbox, path, query, count):
    """Recorded of istioctl 1.31 at ``tag``, ``install`` and ``remote-clusters``."""
    code, _, body = sandbox.client.raw("GET", f"{path}?{query}")
    assert (code, len(json.loads(body)["items"])) == (200, count)


def test_a_stock_istioctl_sees_the_replica_sets_of_istiod(sandbox):
    """Recorded likewise; those of earlier templates are kept."""
    code, _, body = sandbox.client.raw(
        "GET", "/apis/apps/v1/namespaces/istio-system/replicasets?labelSelector=istio%3Dpilot"
    )
    names = [resources.name_of(item) for item in json.loads(body)["items"]]
    assert (code, {name.rpartition("-")[0] for name in names}) == (200, {"istiod"})


def test_a_tag_comes_and_goes_as_a_stock_istioctl_writes_it(sandbox, run):
    """Server-side apply as ``istio-ci``, and DELETE with the options of the object's own group."""
    webhook, service = manifests.parse(run("tag", "generate", "stock", "--revision", "default").out, source="tag")
    names = {HOOKS: "istio-revision-tag-stock", SERVICES: "istiod-revision-tag-stock"}
    for resource, obj in ((resources.MUTATING_WEBHOOKS, webhook), (resources.SERVICES, service)):
        sandbox.client.apply(resource, obj, manager="istio-ci")
    assert ["stock", "default"] in [row[:2] for row in rows(run("tag", "list"))]
    for path, group in ((HOOKS, "admissionregistration.k8s.io/v1"), (SERVICES, "v1")):
        code, _, _ = sandbox.client.raw(
            "DELETE", f"{path}/{names[path]}", body={"kind": "DeleteOptions", "apiVersion": group}
        )
        assert code == 200
    assert "stock" not in run("tag", "list").out
