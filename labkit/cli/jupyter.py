"""JupyterLab as one of the lab's own processes: on loopback, with a token, its settings in our folder."""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from labkit.base import errors, ports, processes, programs, settings

READY_TIMEOUT = 60.0
"""Seconds; it takes two, a cold disk half a minute."""

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
"""JupyterLab's settings, by plug-in."""

FIRST_NOTEBOOK = "work/00-start-here.ipynb"


def running(paths: settings.Paths) -> dict[str, Any] | None:
    """``{"pid", "url"}`` of this lab's JupyterLab, if it is alive."""
    try:
        found: dict[str, Any] = json.loads((paths.run / "jupyter.json").read_text())
    except (OSError, ValueError):
        return None
    return found if processes.is_alive(found["pid"]) and _answers(found["status_url"]) else None


def start(paths: settings.Paths, *, root: Path = settings.CHECKOUT, first: str = FIRST_NOTEBOOK) -> str:
    """The URL of JupyterLab, open at the first notebook; started if it does not run.

    ``root`` is the folder it shows, ``first`` the notebook in it.
    """
    found = running(paths)
    cluster = str(settings.kubeconfig_asked_for() or paths.kubeconfig)
    if found is not None and found.get("kubeconfig", cluster) != cluster:
        raise errors.SetupError(
            f"JupyterLab of this checkout runs already, for the cluster of {found['kubeconfig']}.",
            next_step="./lab down, then this again",
        )
    if found is None:
        found = _spawn(paths, root, first)
        _until_answering(paths, found)
    return str(found["url"])


def stop(paths: settings.Paths) -> bool:
    """Stop it and its kernels; False when it did not run."""
    found = running(paths)
    (paths.run / "jupyter.json").unlink(missing_ok=True)
    if found is None:
        return False
    processes.terminate(found["pid"], grace=10)
    return True


def command(port: int, token_file: str, *, root: Path = settings.CHECKOUT) -> list[str]:
    """The command line; the token is not on it, where every user of the machine could read it."""
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        f"--config={token_file}",
        # Kernels talk over sockets in a private folder: TCP ones are open to every user of the machine.
        "--KernelManager.transport=ipc",
        "--ContentsManager.pre_save_hook=labkit.cli.widgetstates.keep",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=",
        *(["--allow-root"] if _is_root() else []),
    ]


def environment(paths: settings.Paths) -> dict[str, str]:
    """What JupyterLab and every kernel see: this lab, its kubectl, and no settings of the user's."""
    own = paths.home / "jupyter"
    return {
        **kubectl_environment(paths),
        "LABKIT_HOME": str(paths.home),
        "PYTHONPATH": str(settings.CHECKOUT),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
    }


def kubectl_environment(paths: settings.Paths) -> dict[str, str]:
    """What makes plain ``kubectl`` talk to this lab."""
    beside = str(programs.beside_python("kubectl").parent)
    path = os.environ.get("PATH", "")
    return {
        "KUBECONFIG": str(settings.kubeconfig_asked_for() or paths.kubeconfig),
        "KUBECACHEDIR": str(paths.kube_cache),
        "PATH": path if path.split(":")[0] == beside else f"{beside}:{path}",
    }


def _spawn(paths: settings.Paths, root: Path, first: str) -> dict[str, Any]:
    port = ports.free_port(preferred=8888)
    token = secrets.token_urlsafe(24)
    own = paths.home / "jupyter"
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = own / "jupyter_server_config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"IdentityProvider": {"token": token}}))
    _settle(own)
    base = f"http://127.0.0.1:{port}"
    child = programs.start(
        command(port, str(config), root=root), log=paths.logs / "jupyter.log", env=environment(paths)
    )
    found = {
        "pid": child.pid,
        "kubeconfig": str(settings.kubeconfig_asked_for() or paths.kubeconfig),
        "url": f"{base}/lab/tree/{first}?token={token}",
        "status_url": f"{base}/api/status?token={token}",
    }
    ready = paths.run / "jupyter.json"
    ready.touch(mode=0o600)
    ready.write_text(json.dumps(found))
    return found


def _settle(own: Path) -> None:
    """No news toast over the lesson; notebooks keep what their views showed last."""
    for name, value in SETTINGS.items():
        path = own / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


def _until_answering(paths: settings.Paths, found: dict[str, Any]) -> None:
    log = paths.logs / "jupyter.log"
    deadline = time.monotonic() + READY_TIMEOUT
    while not _answers(found["status_url"]):
        if not processes.is_alive(found["pid"]):
            raise errors.SetupError(
                f"JupyterLab stopped at once. The end of {log}:\n{programs.tail(log)}",
                next_step="mend what it says, then ./lab up again",
            )
        if time.monotonic() > deadline:
            raise errors.NotReadyError(
                "JupyterLab", waited=READY_TIMEOUT, last_seen=programs.tail(log), next_step=f"read {log}"
            )
        time.sleep(0.05)


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
