"""One forwarded port over one WebSocket, whose thread ends in order however the other side goes.

The official client's thread dies of a connection that breaks: it prints a traceback into the learner's notebook and
leaves whoever reads waiting, since it closes nothing (``kubernetes`` 37.0.2, ``stream.ws_client``).
"""

from typing import Any

import websocket
from kubernetes.stream import ws_client


class Channel(ws_client.PortForward):
    """``kubernetes.stream.portforward`` for one port; ``socket(port)`` and ``error(port)`` as there."""

    def _proxy(self) -> None:
        problem = ""
        try:
            super()._proxy()  # type: ignore[no-untyped-call]
        except (OSError, ValueError, RuntimeError, websocket.WebSocketException) as e:
            problem = f"the connection broke: {e}"
        finally:
            for port in self.local_ports.values():
                port.error = port.error or problem or None
                port.python.close()
            # ``close`` leaves the socket open where the server said goodbye first.
            self.websocket.shutdown()


def opened(configuration: Any, path: str, port: int, headers: dict[str, str]) -> Channel:
    """A channel to a pod's port; whatever the WebSocket raises when the server refuses it."""
    url = ws_client.get_websocket_url(f"{configuration.host.rstrip('/')}{path}", [("ports", str(port))])
    return Channel(ws_client.create_websocket(configuration, url, headers), [port])  # type: ignore[no-untyped-call]
