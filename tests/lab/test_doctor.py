"""The doctor: each check on facts that a test writes down, and all of them on a running sandbox."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from labkit import cli
from labkit.base import choice, settings
from labkit.clusters import contexts
from labkit.install import presence
from labkit.lab import doctor
from labkit.lab.doctor import facts, report
from labkit.lab.doctor.facts import Facts
from tests.clusters.recorded import ENGINE_DOWN, Recorded

GIB = 2**30
ENGINE = {"ServerVersion": "29.1.3", "OperatingSystem": "Ubuntu", "MemTotal": 16 * GIB, "NCPU": 8, "CgroupVersion": "2"}
ISTIOD = presence.Istiod(name="istiod", revision="default", version="1.31.3", ready=1, replicas=1)
READY = [{"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]


def pod(*, waiting=None, container="reviews", proxy="initContainers"):
    statuses = [{"name": container, "state": {"waiting": waiting}}] if waiting else []
    spec = {"containers": [{"name": "reviews"}]}
    if proxy:
        spec[proxy] = [*spec.get(proxy, []), {"name": "istio-proxy"}]
    return {"metadata": {"name": "reviews-v1"}, "spec": spec, "status": {"initContainerStatuses": statuses}}


WELL = Facts(
    wants_kind=True,
    engine=ENGINE,
    free_bytes=50 * GIB,
    inotify=(512, 524288),
    tools={"kind": "kind v0.33.0 go1.26", "istioctl": "1.31.3", "kubectl": "Client Version: v1.36.0"},
    registry="401 ok",
    packages={"jupyterlab": "4.6.6"},
    cluster="kind-labkit",
    context=contexts.Context(name="kind-labkit", cluster="c", user="u", server="https://127.0.0.1:6443"),
    version="v1.35.8",
    clock_skew=0.3,
    denied=[],
    nodes=READY,
    pods=[pod()],
    labels={"istio-injection": "enabled"},
    istio=presence.Presence(
        versions=("v1",), istiods=(ISTIOD,), injectors=("istio-sidecar-injector",), has_gateway=True
    ),
    definitions="v1.6.0",
    gateway="http://127.0.0.1:8080",
    page="status 200",
)


def finding(id, **changes):
    """What one check says of facts that are well but for these."""
    (check,) = [check for check in doctor.CHECKS if check.id == id]
    return check(replace(WELL, **changes))


def test_a_question_without_an_answer_holds_up_nobody():
    never = threading.Event()
    answers = facts.answered({"slow": never.wait, "quick": lambda: 7, "failing": lambda: int("x")}, within=0.5)
    never.set()
    assert answers == {"slow": None, "quick": 7, "failing": None}


TROUBLED = json.loads((Path(__file__).parent / "pods_in_trouble.json").read_text())["pods"]
"""What a kubelet and a scheduler say of pods that cannot run, recorded."""


@pytest.mark.parametrize(
    ("name", "seen", "step"),
    [
        ("big", "big has no node: 0/1 nodes are available: 1 Insufficient memory", "more memory"),
        ("nopull", "nopull, c: ", "docker.io/istio"),
        ("badname", "badname, c: InvalidImageName", "describe pod"),
        ("noconfig", "noconfig, c: CreateContainerConfigError", "describe pod"),
        ("noprogram", "noprogram, c: RunContainerError", "cannot be started"),
    ],
)
def test_a_real_pod_that_cannot_run_is_named_with_its_reason(name, seen, step):
    (pod,) = [p for p in TROUBLED if p["metadata"]["name"] == name]
    finding_ = finding("pods", pods=[pod])
    assert (finding_.verdict, seen in finding_.seen, step in finding_.next_step) == ("fail", True, True), finding_


def test_an_image_of_a_registry_that_is_switched_off_is_named():
    spec = {"containers": [{"name": "istio-proxy", "image": "registry.istio.io/release/proxyv2:1.30.2"}]}
    old = {"metadata": {"name": "istiod-1"}, "spec": spec, "status": {}}
    seen = finding("pods", pods=[], mesh_pods=[old])
    assert "registry.istio.io/release/proxyv2" in seen.seen and "hub=docker.io/istio" in seen.next_step


def test_nothing_is_said_of_a_machine_and_a_cluster_that_are_well():
    assert {check(WELL).verdict for check in doctor.CHECKS} == {"pass"}
    assert [check(WELL).next_step for check in doctor.CHECKS if check(WELL).next_step] == []


@pytest.mark.parametrize(
    ("id", "changes", "verdict", "seen", "step"),
    [
        ("engine", {"engine": ENGINE_DOWN.err}, "fail", "Cannot connect", "systemctl start docker"),
        ("engine", {"engine": "docker: command not found"}, "fail", "not found", "install Docker"),
        ("engine", {"engine": ENGINE_DOWN.err, "wants_kind": False}, "skip", "Cannot connect", ""),
        ("engine", {"engine": "docker: command not found", "environment": frozenset({"binder"})}, "fail", "not found",
         "--cluster sandbox, since binder"),
        ("inotify", {"inotify": (128, 65536), "environment": frozenset({"container"})}, "warn", "128 instances",
         "on the host of this container: sudo sysctl"),
        ("memory", {"engine": ENGINE | {"MemTotal": 3 * GIB}}, "fail", "3.0 GiB", "Memory 8 GB"),
        ("memory", {"engine": ENGINE | {"MemTotal": 5 * GIB}}, "warn", "5.0 GiB", "Memory 8 GB"),
        ("memory", {"engine": ENGINE | {"NCPU": 1}, "environment": frozenset({"wsl"})}, "fail", "1 CPU", ".wslconfig"),
        ("disk", {"free_bytes": GIB}, "fail", "1.0 GiB", "docker system prune"),
        ("disk", {"free_bytes": GIB, "wants_kind": False}, "pass", "1 GiB", ""),
        ("cgroup", {"engine": ENGINE | {"CgroupVersion": "1"}}, "fail", "cgroup v1", "cgroup v2"),
        ("inotify", {"inotify": (128, 65536)}, "warn", "128 instances", "sudo sysctl"),
        ("inotify", {"inotify": None}, "skip", "virtual machine", ""),
        ("tools", {"tools": {"kind": "", "istioctl": ""}}, "fail", "missing: kind, istioctl", "./lab tools install"),
        ("tools", {"tools": WELL.tools | {"kind": "kind v0.30.0 go1.24"}}, "fail", "v0.32.0 or newer", "install kind"),
        ("ports", {"taken_ports": {8080: "nginx (pid 7)"}}, "pass", "8080 by nginx", ""),
        ("registry", {"registry": "timed out"}, "warn", "timed out", "images load"),
        ("store", {"engine": ENGINE | {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}}, "pass",
         "containerd", ""),
        ("proxy", {"proxies": {"HTTP_PROXY": "http://p:3128"}}, "warn", "lacks 127.0.0.1, localhost",
         "NO_PROXY=127.0.0.1,localhost"),
        ("proxy", {"proxies": {"https_proxy": "http://p", "no_proxy": "localhost,127.0.0.1"}}, "pass", "exempt", ""),
        ("packages", {"packages": {"jupyterlab": ""}}, "fail", "jupyterlab", "./lab up"),
        ("api", {"api_problem": "The cluster does not answer.\nNext: kubectl x", "is_created": True}, "fail",
         "not answer", "kubectl x"),
        ("api", {"api_problem": "the sandbox does not run", "brings_its_own": True, "wants_kind": False}, "skip",
         "does not run", ""),
        ("api", {"api_problem": "the kind cluster does not exist yet"}, "skip", "--cluster kind creates it", ""),
        ("safety", {"context": contexts.Context(name="shop", cluster="c", user="u", server="https://shop.example")},
         "warn", "does not look like a lab", ""),
        ("version", {"version": "v1.31.9"}, "warn", "1.32 to 1.36", "precheck"),
        ("version", {"version": "v1.37.0"}, "warn", "1.32 to 1.36", "precheck"),
        ("rights", {"denied": ["create pods/exec in default"]}, "fail", "pods/exec", "create rolebinding"),
        ("rights", {"denied": ["create namespaces"]}, "warn", "create namespaces", ""),
        ("nodes", {"nodes": [{"metadata": {"name": "n"}, "status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "True"}]}}]},
         "fail", "n: MemoryPressure=True", "describe nodes"),
        ("nodes", {"nodes": None}, "skip", "may not be read", ""),
        ("istio", {"istio": presence.Presence(istiods=())}, "fail", "no Istio", "istioctl install"),
        ("injection", {"labels": {}}, "warn", "no label", "istio-injection=enabled"),
        ("injection", {"labels": {"istio-injection": "enabled", "istio.io/rev": "x"}}, "warn", "both", "istio.io/rev-"),
        ("injection", {"trial": "failed calling webhook"}, "fail", "none: failed calling", "logs deploy/istiod"),
        ("injection", {"trial": "a pod tried gets none"}, "fail", "gets none", "istioctl analyze -n default"),
        ("injection", {"trial": ""}, "pass", "a pod on trial gets one too", ""),
        ("injection", {"pods": [pod(proxy="")]}, "warn", "without a sidecar: reviews-v1", "rollout restart"),
        ("injection", {"pods": [pod(proxy="containers")]}, "pass", "1 pods", ""),
        ("pods", {"pods": [pod(waiting={"reason": "ImagePullBackOff", "message": "toomanyrequests"})]}, "fail",
         "ImagePullBackOff toomanyrequests", "describe pod"),
        ("pods", {"pods": [pod(waiting={"reason": "CrashLoopBackOff"}, container="istio-init")]}, "fail",
         "istio-init: CrashLoopBackOff", "nativeNftables"),
        ("definitions", {"definitions": ""}, "warn", "no definitions", "standard-install.yaml"),
        ("gateway", {"gateway": None}, "warn", "no address", "get svc"),
        ("gateway", {"page": "status 503"}, "warn", "status 503", "./lab up"),
        ("clock", {"clock_skew": -95.0}, "fail", "-95 s", "set-ntp"),
    ],
)  # fmt: skip
def test_each_trouble_is_told_with_what_was_seen_and_what_mends_it(id, changes, verdict, seen, step):
    told = finding(id, **changes)
    assert (told.verdict, seen in told.seen, step in told.next_step) == (verdict, True, True), told


def test_facts_of_a_shape_that_nobody_expected_are_no_traceback():
    assert finding("memory", engine={"ServerVersion": "1", "MemTotal": "much"}).verdict == "warn"


@pytest.mark.parametrize(
    ("env", "files", "where"),
    [
        ({}, {}, set()),
        ({}, {"proc/version": "Linux version 6.6 (Microsoft@Microsoft.com) WSL2"}, {"wsl"}),
        ({}, {".dockerenv": ""}, {"container"}),
        ({}, {"run/.containerenv": ""}, {"container"}),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "JUPYTERHUB_USER": "anna"}, {}, {"container", "jupyterhub"}),
        ({"BINDER_REPO_URL": "https://example.org"}, {}, {"binder"}),
        ({"CODESPACES": "true"}, {}, {"codespaces"}),
    ],
    ids=["a plain machine", "WSL", "Docker", "podman", "JupyterHub in a cluster", "Binder", "Codespaces"],
)
def test_it_knows_where_it_runs(tmp_path, env, files, where):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert facts.environment(env, tmp_path) == where


def test_an_engine_that_is_down_is_what_its_client_complains_of(tmp_path):
    played = Recorded({"docker info": ENGINE_DOWN})
    seen = doctor.examine(settings.Paths(home=tmp_path), choice.SANDBOX, played, only=["engine"])
    assert "Cannot connect to the Docker daemon" in seen.findings[0].seen


def test_untrusted_words_never_become_markup():
    shown = report.Report(
        findings=[doctor.Finding(id="x", title="x", verdict="warn", seen="<img src=x onerror=alert(1)>")], place="<b>"
    )
    assert "<img" not in shown._repr_html_() and "<b>" not in shown._repr_html_()


def test_the_first_thing_to_mend_stops_a_creation():
    failing = report.Report(
        findings=[finding("engine", engine=ENGINE_DOWN.err), finding("disk", free_bytes=1)], place=""
    )
    with pytest.raises(doctor.errors.SetupError, match=r"Container engine: Cannot connect.*\(1 more: ./lab doctor\)"):
        doctor.require(failing)


@pytest.mark.sandbox
def test_on_a_running_sandbox_every_row_of_the_cluster_is_told(guest, guests, monkeypatch, capsys):
    guest.goto("05")
    monkeypatch.setenv("LABKIT_KUBECONFIG", str(guests.guest))
    cli.main(["doctor", "--json"])
    told = {f["id"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    rows = ("api", "safety", "istio", "injection", "pods", "gateway", "clock")
    assert [told[id] for id in rows if told[id]["verdict"] != "pass"] == []
    assert told["nodes"]["verdict"] == "skip" and "may not be read" in told["nodes"]["seen"]
    assert [*told] == [check.id for check in doctor.CHECKS]
