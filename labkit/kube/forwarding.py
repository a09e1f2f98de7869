"""Reading a page of a program inside a pod by a forwarded port, as ``kubectl port-forward`` and curl would."""

import http.client
import json
from typing import Any

from labkit.kube import client, status


class PageError(status.StatusError):
    """The program in the pod answered, and not with the page."""


def page(
    api: client.Client,
    namespace: str,
    pod: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    timeout: float = 20.0,
) -> str:
    """The body of ``http://localhost:PORT/PATH`` in the pod; StatusError or OSError when there is no answer.

    PageError where the program answers with a status of 400 or more.
    """
    forwarded: Any = None
    try:
        forwarded = api.forward(namespace, pod, port)
        link = http.client.HTTPConnection("localhost", port)
        link.sock = forwarded.socket(port)
        link.sock.settimeout(timeout)
        link.request(method, f"/{path.lstrip('/')}", None if body is None else json.dumps(body))
        reply = link.getresponse()
        text = reply.read().decode("utf-8", "replace")
        if reply.status >= 400:
            raise PageError({"code": reply.status, "message": f"{path} of {pod}: {text[:200]}"})
        return text
    except (http.client.HTTPException, BrokenPipeError, ConnectionResetError) as e:
        error = forwarded.error(port) if forwarded else ""
        raise ConnectionRefusedError(error or f"port {port} of {pod} does not answer") from e
    finally:
        if forwarded is not None:
            forwarded.close()
