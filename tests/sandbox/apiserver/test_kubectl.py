"""Stock kubectl at work on our server."""

import json
from types import SimpleNamespace

import pytest

from tests.kubectl import Kubectl

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: c}}
data: {{a: "{value}"}}
"""


@pytest.fixture(scope="module")
def kubectl_anywhere(plane, tmp_path_factory):
    return Kubectl(SimpleNamespace(kubeconfig=plane.kubeconfig, kube_cache=tmp_path_factory.mktemp("cache")))


@pytest.fixture
def kubectl(kubectl_anywhere, ask):
    """kubectl in a namespace of its own."""
    return lambda *words, **how: kubectl_anywhere("-n", ask.namespace, *words, **how)


def apply(kubectl, value, *words):
    return kubectl("apply", "-f", "-", *words, stdin=MANIFEST.format(value=value))


def test_apply_creates_configures_and_leaves_alone(kubectl):
    text = [apply(kubectl, value).strip() for value in ("1", "2", "2")]
    assert text == ["configmap/c created", "configmap/c configured", "configmap/c unchanged"]


def test_diff_shows_what_apply_would_change(kubectl):
    apply(kubectl, "1")
    # kubectl diff ends with 1 where something differs, and prints it on its output.
    kubectl("diff", "-f", "-", stdin=MANIFEST.format(value="2"), fails=True)
    kubectl("diff", "-f", "-", stdin=MANIFEST.format(value="1"))


def test_an_apply_by_the_server_goes_on_from_one_by_the_client(kubectl):
    apply(kubectl, "1")
    assert apply(kubectl, "2", "--server-side").strip() == "configmap/c serverside-applied"
    assert json.loads(kubectl("get", "cm", "c", "-o", "json"))["data"] == {"a": "2"}


def test_a_typing_error_is_refused_with_its_field(kubectl):
    wrong = MANIFEST.format(value="1").replace("\ndata", "\ndta")
    assert 'unknown field "dta"' in kubectl("apply", "-f", "-", stdin=wrong, fails=True)


def test_a_deployment_rolls_out_and_back(kubectl):
    kubectl("create", "deployment", "web", "--image=a:1", "--replicas=2")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("set", "image", "deployment/web", "a=a:2")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert kubectl("rollout", "undo", "deployment/web").strip() == "deployment.apps/web rolled back"
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    history = kubectl("rollout", "history", "deployment/web").split()
    assert [word for word in history if word.isdigit()] == ["2", "3"]


def test_scaling_is_waited_for(kubectl):
    kubectl("create", "deployment", "web", "--image=a:1")
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.availableReplicas}=3", "--timeout=60s")
    assert len(kubectl("get", "pods", "-o", "name").split()) == 3


def test_a_table_has_the_columns_of_its_kind(kubectl):
    kubectl("create", "service", "clusterip", "web", "--tcp=80")
    header, row = kubectl("get", "services").splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row.split()[:2] == ["web", "ClusterIP"]


def test_rights_are_given_and_asked_for(kubectl, ask):
    kubectl("create", "role", "reader", "--verb=list", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={ask.namespace}:default")
    bot = f"--as=system:serviceaccount:{ask.namespace}:default"
    assert kubectl("auth", "can-i", "list", "pods", bot).strip() == "yes"
    assert "Forbidden" in kubectl("get", "secrets", bot, fails=True)
    assert kubectl("create", "token", "default").count(".") == 2


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("explain", "deployment.spec.replicas"), "Number of desired pods."),
        (("api-resources", "--api-group=apps"), "deployments"),
        (("auth", "whoami"), "system:masters"),
        (("version",), "Server Version: v1.36.3"),
        (("describe", "namespace", "default"), "kubernetes.io/metadata.name=default"),
    ],
    ids=["explain", "api-resources", "whoami", "version", "describe"],
)
def test_kubectl_is_told(kubectl, words, answer):
    assert answer in kubectl(*words)


def test_deleting_waits_until_all_is_gone(kubectl):
    kubectl("create", "deployment", "web", "--image=a:1")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
    assert kubectl("get", "deployments,replicasets,pods", "-o", "name") == ""
