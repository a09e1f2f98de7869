"""``./lab`` before there is a Python environment: what it installs with, and what it says when that fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labkit.base import settings

PYTHON = """#!/bin/sh
echo "python $*" >>calls
[ -n "${PYTHONDONTWRITEBYTECODE-}" ] && echo "compiles each time" >>calls
case "$*" in
*platform.machine*) echo "python3.12 Linux x86_64" ;;
*tools/uv.txt*) [ -n "$UV_COMES" ] && printf '%s' "$UV_COMES" >.venv/bin/uv && chmod +x .venv/bin/uv; exit $? ;;
*requirements.txt*) exit "$PIP_ENDS" ;;
esac
"""

UV = """#!/bin/sh
echo "uv $* offline=$UV_OFFLINE links=$UV_FIND_LINKS" >>calls
echo "Downloading numpy"
echo " + numpy==1.0" >&2
exit %d
"""


class Script:
    """A checkout with the script, what it installs, and a Python that only notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
        (folder / "tools").mkdir()
        (folder / "tools" / "uv.txt").touch()
        (folder / "requirements.txt").touch()
        (folder / ".venv" / "bin" / "python").write_text(PYTHON)
        (folder / ".venv" / "bin" / "python").chmod(0o755)
        shutil.copy(settings.CHECKOUT / "lab", folder / "lab")

    def run(self, *words: str, uv: str, pip: int = 0) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.defpath, "UV_COMES": uv, "PIP_ENDS": str(pip)}
        up = ["./lab", "up", *words]
        return subprocess.run(up, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> str:
        return (self.folder / "calls").read_text()


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


def test_uv_installs_what_is_pinned_and_shows_how_far_it_is(script):
    done = script.run(uv=UV % 0)
    assert "uv pip install" in script.calls and "--require-hashes --requirement requirements.txt" in script.calls
    assert "python -m pip install --disable" not in script.calls and "python -m labkit up" in script.calls
    assert "Downloading numpy" in done.stderr and "numpy==1.0" not in done.stderr


@pytest.mark.parametrize("uv", ["", UV % 2], ids=["no uv for this machine", "uv fails"])
def test_pip_does_it_where_uv_cannot(script, uv):
    assert script.run(uv=uv).returncode == 0
    assert "--require-hashes --requirement requirements.txt" in script.calls and "python -m labkit up" in script.calls


def test_when_both_fail_it_says_what_to_look_at(script):
    done = script.run(uv="", pip=1)
    assert done.returncode == 1
    assert "installing requirements.txt failed" in done.stderr and "Next: check the network" in done.stderr
    assert "labkit up" not in script.calls


def stick(folder: Path, for_whom: str) -> str:
    """A folder of ``./lab tools save``, without its packages."""
    (folder / "stick" / "wheels").mkdir(parents=True)
    (folder / "stick" / "wheels" / "python").write_text(f"{for_whom}\n")
    return str(folder / "stick")


@pytest.mark.parametrize("words", [["--from", "{}"], ["--no-browser", "--from={}"]], ids=["two words", "one word"])
def test_from_a_stick_nothing_is_asked_of_the_network(script, tmp_path, words):
    place = stick(tmp_path, "python3.12 Linux x86_64")
    done = script.run(*(word.format(place) for word in words), uv=UV % 0)
    assert done.returncode == 0, done.stderr
    assert f"offline=1 links={place}/wheels" in script.calls


def test_a_stick_for_another_python_is_refused_before_anything_is_installed(script, tmp_path):
    done = script.run("--from", stick(tmp_path, "python3.11 Linux aarch64"), uv=UV % 0)
    assert done.returncode == 1 and "pip install" not in script.calls
    assert "packages for python3.11 Linux aarch64; here is python3.12 Linux x86_64" in done.stderr
    assert "Next: LABKIT_PYTHON=/path/to/python3.11 ./lab up --from" in done.stderr
    assert (script.folder / ".venv").exists(), "an environment that was there stays"


def test_a_stick_without_packages_says_how_they_get_there(script, tmp_path):
    done = script.run("--from", str(tmp_path), uv=UV % 0)
    assert done.returncode == 1 and f"Next: on a machine with network: ./lab tools save --to {tmp_path}" in done.stderr


def test_a_stick_with_a_damaged_package_is_not_tried_twice(script, tmp_path):
    done = script.run("--from", stick(tmp_path, "python3.12 Linux x86_64"), uv=UV % 2)
    assert done.returncode == 1 and "missing or damaged" in done.stderr and "Next: copy the folder again" in done.stderr
    assert "--progress-bar" not in script.calls


def test_a_stick_is_not_needed_where_everything_is_installed(script, tmp_path):
    script.run(uv=UV % 0)
    assert script.run("--from", str(tmp_path), uv=UV % 0).returncode == 0


def test_what_was_installed_is_not_installed_again(script):
    script.run(uv=UV % 0)
    (script.folder / "calls").unlink()
    script.run(uv=UV % 0)
    assert "pip install" not in script.calls


def test_the_checkout_is_found_by_a_path_that_every_encoding_has(script):
    script.run(uv=UV % 0)
    site = script.folder / ".venv" / "lib" / "python3.12" / "site-packages"
    assert (site / (site / "labkit.pth").read_text().strip()).resolve() == script.folder.resolve()
    assert (site / "labkit.pth").read_text().isascii()


def test_uv_is_pinned_by_hash():
    text = (settings.CHECKOUT / "tools" / "uv.txt").read_text()
    assert text.count("uv==") == 1 and text.count("--hash=sha256:") > 10


def test_a_start_keeps_compiled_code_where_the_environment_tells_python_not_to(script):
    script.run(uv=UV % 0)
    assert not script.calls.splitlines()[-1].startswith("compiles")
