"""The command line says what it does, and says no in one clear message."""

import json

import pytest

from labkit import cli
from labkit.base import choice, settings
from labkit.cli import run


def test_every_command_has_a_module_and_a_sentence():
    words = {name for action in cli.parser()._subparsers._group_actions for name in action.choices}
    assert words == set(cli.COMMANDS)


def test_an_unknown_notebook_names_those_there_are(capsys):
    assert cli.main(["run", "77"]) == 1
    text = capsys.readouterr().err
    assert "no notebook '77'" in text
    assert "Next: choose one of 00" in text


@pytest.mark.parametrize("word", ["07", "7"])
def test_a_number_finds_its_notebook(word):
    assert run.find(word).name.startswith("07-")


def test_env_quotes_what_a_shell_would_split(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "with space"))
    assert cli.main(["env"]) == 0
    assert f"export KUBECONFIG='{tmp_path}/with space/kubeconfig'" in capsys.readouterr().out


def test_status_of_a_lab_that_does_not_run_says_how_to_start_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    assert cli.main(["status"]) == 3
    assert "./lab up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("home", "reason"),
    [("/dev/null/lab", "Not a directory"), ("/proc/lab", "No such file or directory")],
    ids=["below a file", "where nothing can be made"],
)
@pytest.mark.parametrize("words", [["up", "--no-browser"], ["down"], ["run", "0"]], ids=lambda words: words[0])
def test_a_folder_that_cannot_be_made_is_one_sentence(monkeypatch, capsys, home, reason, words):
    monkeypatch.setenv("LABKIT_HOME", home)
    assert cli.main(words) == 1
    text = capsys.readouterr().err
    assert f"cannot be used: {reason}." in text and "Next: put the lab where you can write" in text


USABLE = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "x"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "c",
}


@pytest.mark.parametrize(
    ("text", "words", "answer"),
    [
        (json.dumps(USABLE), [], "does not answer"),
        (json.dumps(USABLE), ["--context", "nope"], "has no context 'nope'; it has c."),
        ("{", [], "is no kubeconfig, since it is no YAML: while parsing"),
        ("", [], "is no kubeconfig: it has no contexts"),
        ("just words", [], "is no kubeconfig: it has no contexts"),
        (None, [], "is a folder, not a kubeconfig"),
    ],
    ids=["an unreachable server", "an unknown context", "torn", "empty", "no kubeconfig", "a folder"],
)
def test_another_cluster_from_a_fresh_clone_is_refused_in_one_sentence(
    monkeypatch, capsys, tmp_path, text, words, answer
):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    for name in ("LABKIT_KUBECONFIG", "LABKIT_CONTEXT"):
        monkeypatch.setenv(name, "")
    file = tmp_path / "kubeconfig"
    file.mkdir() if text is None else file.write_text(text)
    assert cli.main(["up", "--no-browser", "--kubeconfig", str(file), *words]) == 1
    printed = capsys.readouterr().err
    assert answer in printed and "Next: " in printed
    assert not (tmp_path / "home/cluster.json").exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--cluster", "minicube"], "There is no cluster 'minicube'"),
        (["--cluster", "context:nope"], "has no context 'nope'; it has c"),
        (["--cluster", "sandbox", "--kubeconfig", "x"], "both name a cluster"),
        (["--context", "c"], "--context c says no file"),
    ],
    ids=["a kind nobody knows", "a context that the user does not have", "two clusters", "a context of no file"],
)
def test_words_that_name_no_cluster_are_refused_with_those_that_do(monkeypatch, capsys, tmp_path, words, answer):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_KUBECONFIG", "")
    (tmp_path / "own").write_text(json.dumps(USABLE))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "own"))
    assert cli.main(["up", "--no-browser", *words]) == 1
    printed = capsys.readouterr().err
    assert answer in printed and "Next: " in printed


def test_status_and_env_speak_of_the_cluster_that_was_chosen(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_KUBECONFIG", "")
    file, paths = tmp_path / "own", settings.Paths(home=tmp_path / "home")
    file.write_text(json.dumps(USABLE))
    paths.make()
    choice.remember(paths, choice.Choice(kubeconfig=file, context="c"))
    assert cli.main(["status"]) == 3
    assert f"The lab speaks to context c of {file}, which does not answer" in capsys.readouterr().out
    assert cli.main(["env"]) == 0
    assert f"export KUBECONFIG={paths.home}/context.yaml:{file}" in capsys.readouterr().out
