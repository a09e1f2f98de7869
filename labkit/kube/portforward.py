"""A port of this machine that leads to a pod: each connection is a ``pods/portforward`` of its own.

So a reset of one harms no other, and a new connection finds a new pod where the old one has gone; ``kubectl
port-forward`` ends at either (kubernetes/kubernetes#111825, kubectl#686).
"""

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from labkit.base import errors
from labkit.kube import client, status

PIECE = 64 * 1024
Pod = Callable[[], tuple[str, int] | None]
"""The name of a pod that is ready now, and the port in it; None while there is none."""


class Listener:
    """Accepts connections on a socket that is bound, and leads each to a pod of a namespace, until closed."""

    def __init__(self, api: client.Client, namespace: str, pod: Pod, *, listening: socket.socket) -> None:
        self._api, self._namespace, self._pod = api, namespace, pod
        self._listening = listening
        self._thread = threading.Thread(target=self.serve, name="labkit-forwarder", daemon=True)

    def start(self) -> "Listener":
        """Begin in a thread; returns itself."""
        self._thread.start()
        return self

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        """Accept no further connection; those that are open go on."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def serve(self) -> None:
        """Accept until the socket is closed."""
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(caller,), name="labkit-forwarded", daemon=True).start()

    def _lead(self, caller: socket.socket) -> None:
        with caller:
            try:
                chosen = self._pod()
                forwarded = chosen and self._api.forward(self._namespace, *chosen)
            except (status.StatusError, errors.LabError, OSError):
                forwarded = None
            if not forwarded or not chosen:
                _reset(caller)
                return
            try:
                pump(caller, forwarded.socket(chosen[1]))
                if forwarded.error(chosen[1]):
                    _reset(caller)
            finally:
                forwarded.close()


def pump(one: Any, other: Any) -> None:
    """Carry bytes both ways until one side has ended, or does not take them any more."""
    others = {one: other, other: one}
    for end in others:
        end.setblocking(True)
    with contextlib.suppress(OSError, ValueError):
        while True:
            for ready in select.select([one, other], [], [])[0]:
                data = ready.recv(PIECE)
                if not data:
                    return
                others[ready].sendall(data)


def _reset(caller: socket.socket) -> None:
    """Close with a reset: the caller sees at once that there is nobody, as with a port where nothing listens."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
