"""The Pod Security Standards, in the words of a real API server (1.36)."""

import pytest

from labkit.base import waiting
from labkit.kube import resources, status
from labkit.sandbox.apiserver.podsecurity import levels, standards
from tests.sandbox.apiserver import control_plane

RESTRICTED, BASELINE = levels.Level(name="restricted"), levels.Level(name="baseline")
ENFORCE = "pod-security.kubernetes.io/enforce"


def spec(container=None, **pod):
    return {"containers": [{"name": "c", "image": "a:1", **(container or {})}], **pod}


def of(**context):
    return spec({"securityContext": context})


DROPPED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
GOOD = {**DROPPED, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
PLAIN = (
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false),'
    ' unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]),'
    ' runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true),'
    ' seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault"'
    ' or "Localhost")'
)


@pytest.mark.parametrize(
    ("checked", "level", "expected"),
    [
        (spec(), BASELINE, ""),
        (spec(), RESTRICTED, PLAIN),
        (of(**GOOD), RESTRICTED, ""),
        (
            of(capabilities={"add": ["NET_ADMIN", "NET_RAW"]}),
            BASELINE,
            'non-default capabilities (container "c" must not include "NET_ADMIN", "NET_RAW" in'
            " securityContext.capabilities.add)",
        ),
        (of(privileged=True), BASELINE, 'privileged (container "c" must not set securityContext.privileged=true)'),
        (spec(hostNetwork=True, hostPID=True), BASELINE, "host namespaces (hostNetwork=true, hostPID=true)"),
        (
            spec({"ports": [{"hostPort": 80}, {"hostPort": 81}]}),
            BASELINE,
            'hostPort (container "c" uses hostPorts 80, 81)',
        ),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), BASELINE, 'hostPath volumes (volume "v")'),
        (
            {**of(**GOOD), "volumes": [{"name": "v", "nfs": {}}, {"name": "e", "emptyDir": {}}]},
            RESTRICTED,
            'restricted volume types (volume "v" uses restricted volume type "nfs")',
        ),
        (of(**{**GOOD, "runAsUser": 0}), RESTRICTED, 'runAsUser=0 (container "c" must not set runAsUser=0)'),
        (
            {**of(**GOOD), "securityContext": {"runAsNonRoot": False}},
            RESTRICTED,
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            of(seccompProfile={"type": "Unconfined"}),
            BASELINE,
            'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            spec(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}),
            levels.Level(name="baseline", minor=31),
            "forbidden sysctls (net.ipv4.tcp_rmem)",
        ),
        (spec(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}), BASELINE, ""),
        (
            spec({"livenessProbe": {"httpGet": {"host": "b", "port": 1}}}),
            BASELINE,
            'probe or lifecycle host (container "c" uses probe or lifecycle host "b")',
        ),
    ],
    ids=[
        "a plain pod is baseline",
        "a plain pod is not restricted",
        "a restricted pod",
        "capabilities",
        "privileged",
        "host namespaces",
        "host ports",
        "host paths",
        "volumes",
        "root by number",
        "root by the pod",
        "seccomp",
        "a sysctl of a later version",
        "a sysctl",
        "a probe of another host",
    ],
)
def test_a_pod_is_held_against_a_standard(checked, level, expected):
    assert ", ".join(map(str, standards.violations({}, checked, level))) == expected


@pytest.mark.parametrize(
    ("labels", "enforce", "warn"),
    [
        ({}, "privileged:latest", "privileged:latest"),
        ({"enforce": "baseline"}, "baseline:latest", "baseline:latest"),
        ({"enforce": "baseline", "warn": "restricted"}, "baseline:latest", "restricted:latest"),
        ({"enforce": "restricted", "enforce-version": "v1.25"}, "restricted:v1.25", "restricted:v1.25"),
        ({"enforce": "nonsense"}, "restricted:latest", "privileged:latest"),
    ],
    ids=["none", "enforced and warned of", "warned of more", "a version", "nonsense"],
)
def test_labels_say_which_standard_holds(labels, enforce, warn):
    policy = levels.policy_of({f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()})
    assert (str(policy.enforce), str(policy.warn)) == (enforce, warn)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with control_plane.running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane.client


def test_a_namespace_refuses_pods_below_its_standard_and_no_templates(client):
    client.create(resources.NAMESPACES, {"metadata": {"name": "strict", "labels": {ENFORCE: "restricted"}}})
    waiting.until(
        lambda: client.find(resources.SERVICE_ACCOUNTS, "default", "strict"),
        what="the service account, without which no pod is judged any further",
        timeout=60,
        next_step="look at the controllers",
        every=0.01,
    )
    pod = {"metadata": {"name": "p", "namespace": "strict"}, "spec": spec(automountServiceAccountToken=False)}
    with pytest.raises(status.StatusError, match='pods "p" is forbidden: violates PodSecurity "restricted:latest": '):
        client.create(resources.PODS, pod)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec()}
    body = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    client.create(resources.DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "strict"}, "spec": body})


def test_a_label_that_means_nothing_is_refused(client):
    with pytest.raises(status.StatusError, match="must be one of privileged, baseline, restricted"):
        client.create(resources.NAMESPACES, {"metadata": {"name": "odd", "labels": {ENFORCE: "strict"}}})
