"""``python -m labkit.cli.jupyterlab``: JupyterLab on a socket that ``./lab up`` bound before this process was.

So nobody else can answer at its address, at no moment; and nothing need be asked there to see whether it is up: it says
so on a pipe. Its token is read from a file. When it stops, it leaves a list of the notebooks that were open.
"""

import argparse
import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from jupyter_server import serverapp
from jupyter_server.services.kernels import kernelmanager
from jupyter_server.utils import ensure_async
from jupyterlab import labapp
from tornado import ioloop

from labkit.base import logs, private, settings
from labkit.cli import jupyter


class Kernels(kernelmanager.AsyncMappingKernelManager):
    """Knows of each kernel whether it was ever asked for anything: its start counts as activity, too."""

    def start_watching_activity(self, kernel_id: str) -> None:
        """As the server does, and remember when it began."""
        super().start_watching_activity(kernel_id)  # type: ignore[no-untyped-call]
        kernel = self._kernels[kernel_id]
        kernel.began = kernel.last_activity


class Server(serverapp.ServerApp):
    """The server below JupyterLab."""

    listening: ClassVar[socket.socket]
    ready: ClassVar[int]
    paths: ClassVar[settings.Paths]

    def _find_http_port(self) -> None:
        """The port is bound."""

    def _bind_http_server_tcp(self) -> bool:
        self.http_server.add_socket(self.listening)
        return True

    def running_server_info(self, kernel_count: bool = True) -> str:
        """For the log, so without the token."""
        return f"JupyterLab serves {self.root_dir} at http://{self.ip}:{self.port}/lab"

    def write_server_info_file(self) -> None:
        """The token is in one file, not in two."""

    def write_browser_open_files(self) -> None:
        """``./lab up`` opens the browser."""

    async def _post_start(self) -> None:
        await super()._post_start()  # type: ignore[no-untyped-call]
        bounded = logs.Bounded(self.paths.logs / "jupyter.log")
        ioloop.PeriodicCallback(bounded.keep, 1000 * logs.EVERY).start()
        with contextlib.suppress(BrokenPipeError):  # an up that was killed meanwhile
            os.write(self.ready, b"ready\n")
        os.close(self.ready)

    async def _cleanup(self) -> None:
        opened = [await self._look_at(session) for session in await self.session_manager.list_sessions()]
        private.write(self.paths.run / jupyter.OPEN_NOTEBOOKS, json.dumps(opened).encode())
        await super()._cleanup()

    async def _look_at(self, session: dict[str, Any]) -> dict[str, Any]:
        kernel: Any = self.kernel_manager.get_kernel(session["kernel"]["id"])
        path = session["path"]
        try:
            contents: Any = self.contents_manager
            saved: datetime = (await ensure_async(contents.get(path, content=False)))["last_modified"]
        except Exception:  # a notebook that was deleted meanwhile: of many kinds
            return {"path": path, "unsaved": True}
        return {"path": path, "unsaved": kernel.last_activity > max(saved, kernel.began)}


def main(words: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m labkit.cli.jupyterlab", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the lab's folder")
    parser.add_argument("--root", type=Path, required=True, help="the folder that JupyterLab shows")
    parser.add_argument("--config", type=Path, required=True, help="the file with the token")
    parser.add_argument("--listen", type=int, required=True, metavar="FD", help="an inherited socket that listens")
    parser.add_argument("--ready", type=int, required=True, metavar="FD", help="an inherited pipe")
    given = parser.parse_args(words)
    for inherited in (given.listen, given.ready):
        os.set_inheritable(inherited, False)
    Server.listening = socket.socket(fileno=given.listen)
    Server.listening.setblocking(False)
    Server.ready, Server.paths = given.ready, settings.Paths(home=given.home)
    host, port = Server.listening.getsockname()
    labapp.LabApp.serverapp_class = Server
    labapp.LabApp.launch_instance(
        [
            *("--no-browser", f"--ip={host}", f"--port={port}", f"--config={given.config}"),
            f"--ServerApp.root_dir={given.root}",
            # What a browser was given stays good after a restart.
            f"--ServerApp.cookie_secret_file={given.home / 'jupyter' / 'cookie_secret'}",
            # Kernels talk over sockets in a private folder: TCP ones are open to every user of the machine.
            "--KernelManager.transport=ipc",
            "--ServerApp.kernel_manager_class=labkit.cli.jupyterlab.Kernels",
            "--ContentsManager.pre_save_hook=labkit.cli.widgetstates.keep",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
