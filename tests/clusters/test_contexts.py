"""Which context is meant, and what is said of files that are none."""

import json

import pytest

from labkit.base import choice, settings
from labkit.clusters import commands, contexts, terminals
from labkit.istioctl import program, shim


def kubeconfig(path, *named, server="https://127.0.0.1:6443"):
    """A file with these contexts, all of one cluster."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": named[0] if named else "",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in named],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("name", "server", "is_lab"),
    [
        pytest.param("kind-labkit", "https://127.0.0.1:40001", True, id="kind"),
        pytest.param("docker-desktop", "https://kubernetes.docker.internal:6443", True, id="Docker Desktop"),
        pytest.param("minikube", "https://192.168.49.2:8443", True, id="minikube"),
        pytest.param("real", "https://172.30.99.2:6443", True, id="a private address"),
        pytest.param("mine", "https://[::1]:6443", True, id="loopback of IPv6"),
        pytest.param("gke_acme_europe-west1_shop", "https://10.0.0.2", False, id="GKE with a private endpoint"),
        pytest.param("arn:aws:eks:eu-west-1:1:cluster/shop", "https://X.eks.amazonaws.com", False, id="EKS"),
        pytest.param("shop", "https://shop.example.com:6443", False, id="a public name"),
        pytest.param("shop", "https://203.0.113.9:6443", False, id="a public address"),
        pytest.param("shop-prod", "https://10.1.2.3:6443", False, id="a name that says production"),
        pytest.param("shop", "", False, id="no server"),
    ],
)
def test_a_lab_is_known_by_its_name_or_the_address_of_its_server(name, server, is_lab):
    assert contexts.Context(name=name, cluster="c", user="u", server=server).looks_like_a_lab is is_lab


def test_of_several_contexts_one_has_to_be_named(tmp_path):
    file = kubeconfig(tmp_path / "f", "kind-a", "kind-b")
    with pytest.raises(contexts.KubeconfigError, match=r"2 contexts: kind-a, kind-b.*\n.*--context kind-a"):
        contexts.chosen(file, contexts.read(file), named=None)
    assert contexts.chosen(file, contexts.read(file), named="kind-b").name == "kind-b"


def test_a_cluster_that_does_not_look_like_a_lab_is_taken_by_its_name_only(tmp_path):
    file = kubeconfig(tmp_path / "f", "shop", server="https://shop.example.com")
    with pytest.raises(contexts.KubeconfigError, match=r"does not look like a lab(.|\n)*--context shop"):
        contexts.chosen(file, contexts.read(file), named=None)
    assert contexts.chosen(file, contexts.read(file), named="shop").server == "https://shop.example.com"


def test_an_unknown_context_is_answered_with_those_there_are(tmp_path):
    file = kubeconfig(tmp_path / "f", "kind-a", "kind-b")
    with pytest.raises(contexts.KubeconfigError, match="has no context 'kind-c'; it has kind-a, kind-b"):
        contexts.chosen(file, contexts.read(file), named="kind-c")


@pytest.mark.parametrize("named", [None, "kind-a"], ids=["by itself", "by name"])
def test_a_context_whose_cluster_is_not_in_the_file_says_which(tmp_path, named):
    file = kubeconfig(tmp_path / "f", "kind-a", server="")
    with pytest.raises(
        contexts.KubeconfigError, match=r"kind-a of .* names the cluster 'c', which has no server there"
    ):
        contexts.chosen(file, contexts.read(file), named=named)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(None, "is a folder", id="a folder"),
        pytest.param("", "no contexts", id="empty"),
        pytest.param("{", "no YAML", id="half a file"),
        pytest.param("- a\n- b\n", "no contexts", id="a list"),
        pytest.param("contexts: [1, {name: x}]\n", "no contexts", id="contexts of another shape"),
        pytest.param("\x00\x01", "no YAML", id="a binary file"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_with_what_is_wrong(tmp_path, text, says):
    file = tmp_path / "config"
    file.mkdir() if text is None else file.write_text(text)
    with pytest.raises(contexts.KubeconfigError, match=f"(?s){says}.*Next: .*./lab up --kubeconfig FILE"):
        contexts.read(file)


def test_a_terminal_gets_the_chosen_context_and_no_file_of_the_users_changes(tmp_path):
    file = kubeconfig(tmp_path / "f", "kind-a", "kind-b")
    before, paths = file.read_bytes(), settings.Paths(home=tmp_path / "home")
    value = terminals.kubeconfig(paths, choice.Choice(kubeconfig=file, context="kind-b", namespace="anna"))
    own, theirs = value.split(":")
    assert theirs == str(file) and file.read_bytes() == before
    (context,) = contexts._contexts(contexts.yaml.safe_load((tmp_path / "home/context.yaml").read_text()))
    assert own == str(tmp_path / "home/context.yaml")
    assert (context.name, context.cluster, context.user) == ("labkit", "c", "u")


def test_the_choice_of_a_lab_is_remembered_until_the_sandbox_is_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv("LABKIT_KUBECONFIG", raising=False)
    paths = settings.Paths(home=tmp_path)
    mine = choice.Choice(kubeconfig=tmp_path / "f", context="kind-a", namespace="anna")
    choice.remember(paths, mine)
    assert choice.current(paths) == mine
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0
    choice.remember(paths, choice.Choice(namespace="anna"))
    assert choice.current(paths) == choice.Choice(namespace="anna")
    choice.remember(paths, choice.SANDBOX)
    assert choice.current(paths) == choice.SANDBOX


def test_the_environment_comes_before_what_was_remembered(tmp_path, monkeypatch):
    paths = settings.Paths(home=tmp_path)
    choice.remember(paths, choice.Choice(kubeconfig=tmp_path / "f"))
    monkeypatch.setenv("LABKIT_KUBECONFIG", str(tmp_path / "g"))
    assert choice.current(paths).kubeconfig == tmp_path / "g"


def test_a_damaged_record_means_the_sandbox(tmp_path):
    (tmp_path / "cluster.json").write_text("{")
    assert choice.remembered(settings.Paths(home=tmp_path)) == choice.SANDBOX


def test_the_labs_own_istioctl_asks_the_chosen_cluster_in_a_terminal_of_the_lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABKIT_KUBECONFIG", raising=False)
    paths = settings.Paths()
    paths.make()
    mine = choice.Choice(kubeconfig=kubeconfig(tmp_path / "f", "kind-a", "kind-b"), context="kind-b", namespace="anna")
    choice.remember(paths, mine)
    monkeypatch.setenv("KUBECONFIG", terminals.kubeconfig(paths, mine))
    assert program.place() == mine
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
    assert program.place().kubeconfig == tmp_path / "other"


def test_a_program_of_the_machine_is_never_the_labs_own_shim(tmp_path, monkeypatch):
    paths = settings.Paths(home=tmp_path / "home")
    monkeypatch.setenv("PATH", shim.path(paths, "/usr/bin:/bin"))
    assert commands.Machine(paths).path("istioctl") is None
