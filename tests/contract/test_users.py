"""A user with rights in one namespace: what is refused, in whose words, and what the kit knows of it beforehand."""

import json

import pytest
import yaml

from labkit.base import choice, programs, settings
from labkit.clusters import cluster, contexts, terminals
from labkit.install import pruning, rights
from labkit.kube import client, resources, status
from tests.contract.conftest import PLACE

pytestmark = pytest.mark.sandbox

ANNA = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: anna}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: anna}
rules: [{apiGroups: [""], resources: [configmaps, pods], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: anna}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: anna}
subjects: [{kind: ServiceAccount, name: anna}]
"""
NAME = f"system:serviceaccount:{PLACE}:anna"


@pytest.fixture(scope="module")
def file(asked, tmp_path_factory):
    """Her kubeconfig: a token that ends in ten minutes."""
    asked.apply(ANNA)
    token = asked.kubectl("create", "token", "anna", "--duration=10m").strip()
    return written(asked, tmp_path_factory.mktemp("anna") / "kubeconfig", token)


def written(asked, path, token):
    """A kubeconfig of the same cluster with another token, and two contexts."""
    document = yaml.safe_load(asked.kubeconfig.read_text())
    (context,) = document["contexts"]
    document["users"] = [{"name": "anna", "user": {"token": token}}]
    document["contexts"] = [
        {"name": name, "context": {"cluster": context["context"]["cluster"], "user": "anna"}} for name in ("one", "two")
    ]
    document["current-context"] = "two"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def anna(file):
    return client.Client.from_kubeconfig(file, context="one")


def test_what_she_may_not_is_refused_with_her_name(anna):
    with pytest.raises(status.StatusError, match=f'User "{NAME}" cannot list resource "nodes" in API group ""'):
        anna.list(resources.NODES)
    assert anna.list(resources.CONFIG_MAPS, PLACE)


def test_the_kit_knows_her_name_and_her_rights_before_it_tries(anna):
    asked_for = [
        rights.Right(verb=verb, group=group, resource=resource, namespace=place)
        for verb, group, resource, place in (
            ("create", "", "configmaps", PLACE),
            ("create", "", "configmaps", "default"),
            ("create", "apps", "deployments", PLACE),
            ("get", "", "pods/log", PLACE),
            ("create", "", "namespaces", ""),
        )
    ]
    assert [str(right) for right in rights.denied(anna, asked_for)] == [
        "create configmaps in default",
        f"create deployments in {PLACE}",
        f"get pods/log in {PLACE}",
        "create namespaces",
    ]
    assert rights.user(anna) == NAME


def test_pruning_sees_her_namespace_and_is_not_refused(anna):
    assert [piece for piece in pruning.pieces(anna, PLACE) if piece.namespace not in ("", PLACE)] == []


def test_a_cluster_whose_nodes_she_may_not_read_is_a_cluster(file):
    assert cluster.of_kubeconfig(file, context="one").can("routing")


def test_of_two_contexts_none_is_taken_by_itself(file):
    with pytest.raises(contexts.KubeconfigError, match=r"2 contexts: one, two(.|\n)*--context one"):
        cluster.of_kubeconfig(file)


def test_plain_kubectl_speaks_to_the_context_that_was_chosen(file, tmp_path):
    paths = settings.Paths(home=tmp_path / "home")
    value = terminals.kubeconfig(paths, choice.Choice(kubeconfig=file, context="one", namespace=PLACE))
    words = [str(programs.beside_python("kubectl")), "auth", "whoami", "-o", "json"]
    done = programs.output(words, env={"KUBECONFIG": value}, timeout=30.0)
    assert done.code == 0, done.err
    assert json.loads(done.out)["status"]["userInfo"]["username"] == NAME
    listed = programs.output([words[0], "get", "configmaps"], env={"KUBECONFIG": value}, timeout=30.0)
    assert listed.code == 0, f"kubectl is in namespace {PLACE}: {listed.err}"


def test_a_plugin_that_gives_no_credentials_is_told_in_its_own_words(asked, tmp_path):
    """The server takes such a caller for a user without rights, and would call the cluster empty."""
    plugin, file = tmp_path / "plugin", written(asked, tmp_path / "file", "")
    plugin.write_text("#!/bin/sh\necho run the-cloud login first >&2\nexit 1\n")
    plugin.chmod(0o755)
    document = yaml.safe_load(file.read_text())
    api = "client.authentication.k8s.io/v1"
    document["users"][0]["user"] = {"exec": {"apiVersion": api, "command": str(plugin), "interactiveMode": "Never"}}
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(status.StatusError, match=r"plugin of .* gave no credentials: .*run the-cloud login first"):
        cluster.of_kubeconfig(file, context="one")


def test_a_token_that_is_none_is_said_in_one_sentence(asked, tmp_path):
    stranger = client.Client.from_kubeconfig(written(asked, tmp_path / "file", "x.y.z"), context="two")
    with pytest.raises(status.StatusError, match=r"does not accept the credentials(.|\n)*Next: log in"):
        stranger.list(resources.PODS, PLACE)
