"""JupyterLab is the lab's own: private, and with nothing of the user's."""

import json
from pathlib import Path

from labkit.base import settings
from labkit.cli import jupyter


def test_the_token_is_in_a_file_and_not_on_the_command_line():
    words = jupyter.command(8888, "/lab/config.json")
    assert "--config=/lab/config.json" in words and not any("token" in word.lower() for word in words)


def test_it_listens_on_loopback_and_tries_no_other_port():
    words = jupyter.command(8888, "c")
    assert {"--ip=127.0.0.1", "--port=8888", "--ServerApp.port_retries=0"} <= set(words)


def test_it_shows_the_checkout_or_the_folder_it_is_given():
    assert f"--ServerApp.root_dir={settings.CHECKOUT}" in jupyter.command(1, "c")
    assert "--ServerApp.root_dir=/course" in jupyter.command(1, "c", root=Path("/course"))


def test_every_setting_of_jupyter_lies_in_the_labs_folder(tmp_path):
    made = jupyter.environment(settings.Paths(home=tmp_path))
    own = {value for name, value in made.items() if name.startswith(("JUPYTER", "IPYTHON"))}
    assert len(own) == 6 and all(Path(value).is_relative_to(tmp_path / "jupyter") for value in own)


def test_kernels_find_this_lab_and_its_kubectl(tmp_path):
    made = jupyter.environment(settings.Paths(home=tmp_path))
    assert made["LABKIT_HOME"] == str(tmp_path) and made["KUBECONFIG"] == str(tmp_path / "kubeconfig")


def test_what_a_dead_one_left_behind_is_not_running(tmp_path):
    paths = settings.Paths(home=tmp_path)
    paths.run.mkdir(parents=True)
    ready = paths.run / "jupyter.json"
    assert jupyter.running(paths) is None
    ready.write_text("{")
    assert jupyter.running(paths) is None
    ready.write_text(json.dumps({"pid": 2**22 + 1, "url": "", "status_url": "http://127.0.0.1:9/"}))
    assert jupyter.running(paths) is None and not jupyter.stop(paths) and not ready.exists()
