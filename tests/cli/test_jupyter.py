"""JupyterLab is the lab's own: private, always at one address, and with nothing of the user's."""

import socket
import stat

import pytest

from labkit.base import errors, private, settings
from labkit.cli import down, jupyter


@pytest.fixture
def paths(tmp_path):
    paths = settings.Paths(home=tmp_path / "home")
    (paths.home / "jupyter").mkdir(parents=True)
    return paths


def test_the_token_is_in_a_private_file_and_not_on_the_command_line(paths):
    token = jupyter.token(paths)
    words = jupyter.command(paths, settings.CHECKOUT, listen=3, ready=4)
    file = paths.home / "jupyter" / "jupyter_server_config.json"
    assert token in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in words and not any(token in word for word in words)
    assert not any(token in value for value in jupyter.environment(paths).values())


def test_the_token_lasts(paths):
    assert jupyter.token(paths) == jupyter.token(paths)


@pytest.mark.parametrize("text", ["", "{", '{"IdentityProvider": {"token": ""}}', "[]"])
def test_a_damaged_token_is_replaced_by_a_new_one(paths, text):
    (paths.home / "jupyter" / "jupyter_server_config.json").write_text(text)
    assert len(jupyter.token(paths)) >= jupyter.TOKEN_BYTES


def test_the_port_lasts_while_nobody_else_has_it(paths):
    remembered = paths.home / "jupyter" / "port"
    with jupyter._listening(remembered) as first:
        port = first.getsockname()[1]
    with jupyter._listening(remembered) as second:
        assert second.getsockname() == ("127.0.0.1", port)
        with jupyter._listening(remembered) as third:
            assert third.getsockname()[1] != port


@pytest.mark.parametrize("text", ["", "eight", "99999999", "-1"])
def test_a_damaged_port_file_costs_nothing(paths, text):
    (paths.home / "jupyter" / "port").write_text(text)
    with jupyter._listening(paths.home / "jupyter" / "port") as listening:
        assert isinstance(listening, socket.socket)


@pytest.mark.parametrize("variable", ["JPY_SESSION_NAME", "JUPYTER_SERVER_ROOT"], ids=["a cell", "a terminal"])
def test_what_a_notebook_would_save_has_no_token(paths, monkeypatch, variable):
    facts = {"port": 8888, "first": "notebooks/00 start.ipynb"}
    for name in ("JPY_SESSION_NAME", "JUPYTER_SERVER_ROOT"):
        monkeypatch.delenv(name, raising=False)
    assert jupyter.url(paths, facts).endswith(f"/lab/tree/notebooks/00%20start.ipynb?token={jupyter.token(paths)}")
    monkeypatch.setenv(variable, "x")
    assert jupyter.url(paths, facts) == "http://127.0.0.1:8888/lab/tree/notebooks/00%20start.ipynb"


def test_every_setting_of_jupyter_lies_in_the_labs_folder(paths):
    variables = jupyter.environment(paths)
    own = {value for name, value in variables.items() if name.startswith(("JUPYTER", "IPYTHON"))}
    elsewhere = {value for value in own if not value.startswith(str(paths.home / "jupyter"))}
    assert len(own) == 6 and elsewhere <= {str(jupyter.runtime(paths))}


def test_sockets_of_kernels_lie_where_their_paths_fit(tmp_path):
    deep = settings.Paths(home=tmp_path / ("x" * 60) / "home")
    folder = jupyter.runtime(deep)
    assert len(str(folder)) + 50 <= private.SOCKET_PATH and stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    with pytest.raises(errors.SetupError, match="you alone can read"):
        jupyter.runtime(deep)
    folder.rmdir()


def test_kernels_find_this_lab_and_its_kubectl(tmp_path):
    variables = jupyter.environment(settings.Paths(home=tmp_path))
    assert variables["LABKIT_HOME"] == str(tmp_path) and variables["KUBECONFIG"] == str(tmp_path / "kubeconfig")


def test_what_a_dead_one_left_behind_is_not_running(paths):
    paths.make()
    ready = paths.run / "jupyter.json"
    for text in ("{", '{"pid": 4194305, "born": "x", "port": 9}'):
        ready.write_text(text)
        assert jupyter.running(paths) is None
    assert not jupyter.stop(paths) and not ready.exists()


def test_down_names_what_was_not_saved():
    text = down.open_tabs([{"path": "07.ipynb", "unsaved": True}, {"path": "00.ipynb", "unsaved": False}])
    (line,) = [line for line in text.splitlines() if "NOT SAVED" in line]
    assert "07.ipynb" in line and "./lab up" in text
