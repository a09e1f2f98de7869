"""JupyterLab as one of the lab's own processes: on loopback, with a token, its settings in our folder."""

import json
import os
import secrets
import select
import socket
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from labkit.base import choice, errors, private, processes, programs, records, settings
from labkit.clusters import terminals
from labkit.istioctl import shim

READY_TIMEOUT = 60.0
"""Seconds; it takes two, a cold disk half a minute."""

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
"""JupyterLab's settings, by plug-in."""

STOP_TIMEOUT = 10.0
"""Seconds for kernels to end before they are killed."""

HOST = "127.0.0.1"
USUAL_PORT = 8888
TOKEN_BYTES = 24

OPEN_NOTEBOOKS = "open-notebooks.json"
"""In ``Paths.run``: what JupyterLab writes when it stops."""

FIRST_NOTEBOOK = "work/00-start-here.ipynb"


def running(paths: settings.Paths) -> dict[str, Any] | None:
    """``{"pid", "born", "port", "kubeconfig", "first"}`` of this lab's JupyterLab while it is alive."""
    facts = _record(paths).read()
    return facts if facts and "port" in facts else None


def _record(paths: settings.Paths) -> records.Record:
    return records.Record(path=paths.run / "jupyter.json")


def url(paths: settings.Paths, facts: Mapping[str, Any]) -> str:
    """Where JupyterLab is; with its token, except in a cell or a terminal of JupyterLab itself.

    There the browser needs none, and what a cell prints is saved with the notebook.
    """
    address = f"http://{HOST}:{facts['port']}/lab/tree/{quote(facts['first'])}"
    is_inside = "JPY_SESSION_NAME" in os.environ or "JUPYTER_SERVER_ROOT" in os.environ
    return address if is_inside else f"{address}?token={token(paths)}"


def token(paths: settings.Paths) -> str:
    """The token of this lab, the same at every start, so that open tabs go on; a new one if there is none."""
    file = _config(paths)
    try:
        kept = json.loads(file.read_bytes())["IdentityProvider"]["token"]
        if isinstance(kept, str) and len(kept) >= TOKEN_BYTES:
            return kept
    except (OSError, ValueError, KeyError, TypeError):
        pass
    new = secrets.token_urlsafe(TOKEN_BYTES)
    private.write(file, json.dumps({"IdentityProvider": {"token": new}}).encode())
    return new


def _config(paths: settings.Paths) -> Path:
    return paths.home / "jupyter" / "jupyter_server_config.json"


def start(paths: settings.Paths, *, root: Path = settings.CHECKOUT, first: str = FIRST_NOTEBOOK) -> str:
    """The URL of JupyterLab, open at the first notebook; started if it does not run.

    ``root`` is the folder it shows, ``first`` the notebook in it.
    """
    facts = running(paths)
    cluster = require_free_for(paths, choice.current(paths))
    if facts is None:
        stop(paths)  # one whose record was damaged
        _spawn(paths, root, {"kubeconfig": cluster, "first": first})
        facts = running(paths)
    if facts is None:
        raise errors.SetupError(
            "JupyterLab stopped right after its start.", next_step=f"read {paths.logs / 'jupyter.log'}"
        )
    return url(paths, facts)


def require_free_for(paths: settings.Paths, chosen: choice.Choice) -> str:
    """The words for a choice in the record of a running JupyterLab; SetupError where it runs for another cluster."""
    cluster = str(chosen.kubeconfig or paths.kubeconfig) + (f" {chosen.context}" if chosen.context else "")
    facts = running(paths)
    if facts is not None and facts["kubeconfig"] != cluster:
        raise errors.SetupError(
            f"JupyterLab of this checkout runs already, for the cluster of {facts['kubeconfig']}.",
            next_step="./lab down, then this again",
        )
    return cluster


def stop(paths: settings.Paths) -> bool:
    """Stop it and its kernels, those of one that was killed too; False when none ran."""
    recorded = _record(paths).process()
    kernels = runtime(paths).glob("kernel-*.json")
    words = [["labkit.cli.jupyterlab", "--home", str(paths.home)], *(["-f", str(kernel)] for kernel in kernels)]
    living = dict.fromkeys([*([recorded] if recorded else []), *(one for w in words for one in processes.running(w))])
    for process in living:
        processes.end(process, grace=STOP_TIMEOUT)
    _record(paths).forget()
    return bool(living)


def open_notebooks(paths: settings.Paths) -> list[dict[str, Any]]:
    """``[{"path", "unsaved"}]`` of the notebooks that were open when JupyterLab stopped."""
    try:
        notebooks: list[dict[str, Any]] = json.loads((paths.run / OPEN_NOTEBOOKS).read_bytes())
    except (OSError, ValueError):
        return []
    return notebooks


def command(paths: settings.Paths, root: Path, *, listen: int, ready: int) -> list[str]:
    """The command line; the token is not on it, where every user of the machine could read it."""
    return [
        *(sys.executable, "-m", "labkit.cli.jupyterlab", "--home", str(paths.home), "--root", str(root)),
        *("--config", str(_config(paths)), "--listen", str(listen), "--ready", str(ready)),
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
        "JUPYTER_RUNTIME_DIR": str(runtime(paths)),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
    }


def runtime(paths: settings.Paths) -> Path:
    """Where kernels have their sockets."""
    own = paths.home / "jupyter" / "runtime"
    return private.socket_folder(own, longest_name=len(f"kernel-{uuid.UUID(int=0)}-ipc-5"))


def kubectl_environment(paths: settings.Paths) -> dict[str, str]:
    """What makes plain ``kubectl`` and ``istioctl`` talk to this lab."""
    beside = str(programs.beside_python("kubectl").parent)
    if paths.tools.is_dir():
        beside = f"{beside}{os.pathsep}{paths.tools}"
    path = shim.path(paths, os.environ.get("PATH", ""))
    return {
        "KUBECONFIG": terminals.kubeconfig(paths, choice.current(paths)),
        "KUBECACHEDIR": str(paths.kube_cache),
        "PATH": path if path.startswith(f"{beside}:") else f"{beside}:{path}",
    }


def _spawn(paths: settings.Paths, root: Path, facts: dict[str, str]) -> None:
    paths.make()
    own = paths.home / "jupyter"
    own.mkdir(mode=0o700, exist_ok=True)
    token(paths)
    _settle(own)
    (paths.run / OPEN_NOTEBOOKS).unlink(missing_ok=True)
    receiving, ready = os.pipe()
    with _listening(own / "port") as listening, os.fdopen(receiving, "rb") as answer:
        port = listening.getsockname()[1]
        try:
            child = programs.start(
                command(paths, root, listen=listening.fileno(), ready=ready),
                log=paths.logs / "jupyter.log",
                env=environment(paths),
                record=lambda process: _record(paths).write(process, port=port, **facts),
                files=[listening.fileno(), ready],
            )
        finally:
            os.close(ready)
        _until_ready(answer, child, paths.logs / "jupyter.log")


def _listening(remembered: Path) -> socket.socket:
    """A socket at the port of last time, else at Jupyter's usual one, else at any; it is ours from here on."""
    try:
        last = int(remembered.read_text())
    except (OSError, ValueError):
        last = USUAL_PORT
    for port in (last if 0 < last < 65536 else USUAL_PORT, USUAL_PORT, 0):
        try:
            listening = socket.create_server((HOST, port))
        except OSError:
            continue
        private.write(remembered, str(listening.getsockname()[1]).encode())
        return listening
    raise errors.SetupError(f"No TCP port of {HOST} is free.", next_step="close some programs, then ./lab up")


def _settle(own: Path) -> None:
    """No news toast over the lesson; notebooks keep what their views showed last."""
    for name, value in SETTINGS.items():
        path = own / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


def _until_ready(answer: BinaryIO, child: programs.Detached, log: Path) -> None:
    """Wait for the word on its pipe, or for the pipe's end."""
    if not select.select([answer], [], [], READY_TIMEOUT)[0]:
        raise errors.NotReadyError(
            "JupyterLab", waited=READY_TIMEOUT, last_seen=programs.tail(log), next_step=f"read {log}"
        )
    if not answer.read(1):
        raise errors.SetupError(
            f"JupyterLab stopped at once (exit code {child.wait()}). The end of {log}:\n{programs.tail(log)}",
            next_step="mend what it says, then ./lab up again",
        )
