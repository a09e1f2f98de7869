"""Nothing of a lab survives ``./lab down``, whatever became of the ``./lab up`` before it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from labkit.base import settings, waiting
from labkit.cli import jupyter
from labkit.clusters import sandbox as sandboxes

pytestmark = pytest.mark.sandbox

LAB = [sys.executable, "-m", "labkit"]


class Upping:
    """A ``./lab up --empty`` in the background, and what it has printed so far."""

    def __init__(self, paths: settings.Paths, *words: str) -> None:
        self.paths = paths
        self._log = paths.home.parent / "up.log"
        with self._log.open("wb") as out:
            command = [*LAB, "up", "--no-browser", *words]
            self._child = subprocess.Popen(command, env=environment(paths), stdout=out, stderr=out)

    @property
    def printed(self) -> str:
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        """End it, unless it ended by itself."""
        self._child.send_signal(number)
        self._child.wait()


def environment(paths: settings.Paths) -> dict[str, str]:
    return os.environ | {"LABKIT_HOME": str(paths.home), "PYTHONPATH": str(settings.CHECKOUT)}


def down(paths: settings.Paths) -> None:
    done = subprocess.run([*LAB, "down"], env=environment(paths), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def mentions(process: Path, home: bytes) -> bool:
    """Whether a process has the lab's folder on its command line, in its environment, or open."""
    try:
        places = [os.fsencode(link.readlink()) for link in (process / "cwd", *(process / "fd").iterdir())]
        texts = [(process / name).read_bytes() for name in ("cmdline", "environ")]
    except OSError:
        return False
    return any(home in text for text in [*places, *texts])


def survivors(paths: settings.Paths) -> list[str]:
    result = [p for p in Path("/proc").iterdir() if p.name.isdigit() and mentions(p, os.fsencode(paths.home))]
    return [f"{p.name} {(p / 'cmdline').read_bytes()!r}" for p in result if int(p.name) != os.getpid()]


def until(condition, what):
    waiting.until(condition, what=what, timeout=60, next_step="read up.log", every=0.005)


@pytest.fixture
def paths(tmp_path):
    """A lab that is not up."""
    paths = settings.Paths(home=tmp_path / "home")
    paths.make()
    yield paths
    jupyter.stop(paths)
    sandboxes.stop(paths)


MOMENTS = {
    "the sandbox is recorded": lambda up: (up.paths.run / "sandbox.json").exists(),
    "the sandbox has its lock": lambda up: (up.paths.run / "sandbox.lock").exists(),
    "the API answers": lambda up: sandboxes.running(up.paths) is not None,
    "the sandbox is up": lambda up: "✓ Sandbox" in up.printed,
    "JupyterLab is recorded": lambda up: (up.paths.run / "jupyter.json").exists(),
    "JupyterLab is up": lambda up: "✓ JupyterLab" in up.printed,
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        *((moment, signal.SIGKILL) for moment in MOMENTS),
        ("the sandbox is recorded", signal.SIGINT),
        ("JupyterLab is recorded", signal.SIGINT),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_an_up_that_ends_early_leaves_nothing_that_down_does_not_stop(paths, moment, number):
    upping = Upping(paths, "--empty")
    until(lambda: MOMENTS[moment](upping), moment)
    upping.signal(number)
    down(paths)
    assert survivors(paths) == []


@pytest.mark.parametrize("text", [None, "{"], ids=["deleted", "torn"])
def test_damaged_records_stop_neither_status_nor_up_nor_down(paths, text):
    upping = Upping(paths, "--empty")
    until(lambda: "✓ JupyterLab" in upping.printed, "the lab")
    upping.signal(signal.SIGKILL)
    before = sandboxes.running(paths)["pid"]
    for record in ("sandbox.json", "jupyter.json"):
        (paths.run / record).write_text(text or "")
        if text is None:
            (paths.run / record).unlink()
    assert sandboxes.running(paths)["pid"] == before
    down(paths)
    assert survivors(paths) == []


def test_a_jupyterlab_that_says_nothing_is_stopped_all_the_same(paths):
    upping = Upping(paths, "--empty")
    until(lambda: "✓ JupyterLab" in upping.printed, "the lab")
    upping.signal(signal.SIGKILL)
    os.kill(jupyter.running(paths)["pid"], signal.SIGSTOP)
    assert jupyter.running(paths) is not None
    down(paths)
    assert survivors(paths) == []


def test_kernels_of_a_killed_jupyterlab_are_stopped(paths):
    upping = Upping(paths, "--empty")
    until(lambda: "✓ JupyterLab" in upping.printed, "the lab")
    upping.signal(signal.SIGKILL)
    facts = jupyter.running(paths)
    start_kernel(paths, facts["port"])
    os.kill(facts["pid"], signal.SIGKILL)
    down(paths)
    assert survivors(paths) == []


def start_kernel(paths: settings.Paths, port: int) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/kernels", data=b"{}", method="POST")
    request.add_header("Authorization", f"token {jupyter.token(paths)}")
    with urllib.request.urlopen(request, timeout=30) as reply:
        kernel = json.load(reply)["id"]
    file = jupyter.runtime(paths) / f"kernel-{kernel}.json"
    until(lambda: file.exists() and any(str(file) in line for line in survivors(paths)), "the kernel")
