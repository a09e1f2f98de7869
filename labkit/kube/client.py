"""The synchronous client of notebooks, the command line and tests: any kubeconfig, any way of logging in.

The official ``kubernetes`` package does what it is good at (kubeconfigs, credential plugins, TLS, proxies);
objects stay plain parsed JSON. It is slow to import, so that happens at the first request.
"""

import contextlib
import json
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from labkit.kube import api, login, resources, status
from labkit.kube.resources import Object

MANAGER = "labkit"
"""Our name as a field manager."""

ANONYMOUS = "system:anonymous"
"""Whom the API server takes somebody without credentials for."""

Objects = list[Object]
Headers = list[tuple[str, str]]

TIMEOUT = 30.0
"""Seconds for one request; a server that takes longer is reported as out of reach."""

CONNECT = 8.0
"""Seconds until the server accepts a connection: addresses that nobody routes answer nothing at all."""


def load() -> None:
    """Import what the first request needs, for who has to wait for a server anyway: a third of a second."""
    import urllib3
    from kubernetes import config

    del urllib3, config


class Client:
    """Reads and writes objects of one cluster."""

    def __init__(self, kubeconfig: Path, *, context: str | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._lock = threading.Lock()
        self._connected: Any = None
        self._complaint = ""

    def __repr__(self) -> str:
        return f"Client({str(self.kubeconfig)!r})"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._connection().configuration.host)

    @classmethod
    def from_kubeconfig(cls, path: Path | str, *, context: str | None = None) -> "Client":
        """A client for ``context``, or the file's current one; the file is only read."""
        return cls(Path(path), context=context)

    def get(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object:
        """One object, or NotFound."""
        return self._json("GET", resource.path(namespace, name))

    def find(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None."""
        try:
            return self.get(resource, name, namespace)
        except status.NotFound:
            return None

    def list(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Objects:
        """Objects of one namespace, or of all; an unknown kind is NotFound."""
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        listed = self._json("GET", resource.path(namespace), query=query)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [{**kind, **item} for item in listed.get("items") or []]

    def visible(self, resource: resources.Resource, namespace: str | None = None, *, own: str = "") -> Objects:
        """What this user may see of a kind, in a namespace or in all; else what is in their ``own`` namespace.

        Empty where the cluster does not serve the kind, or nothing of it may be seen.
        """
        for place in dict.fromkeys([namespace, own or namespace]):
            try:
                return self.list(resource, place)
            except status.StatusError as e:
                if e.code not in (403, 404):
                    raise
        return []

    def create(self, resource: resources.Resource, obj: Object, *, dry_run: bool = False) -> Object:
        """POST; AlreadyExists if it is there."""
        query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return self._json("POST", resource.path(resources.namespace_of(obj)), query=query, body=obj)

    def replace(self, resource: resources.Resource, obj: Object) -> Object:
        """PUT; Conflict if its resourceVersion is not the newest."""
        path = resource.path(resources.namespace_of(obj), resources.name_of(obj))
        return self._json("PUT", path, query={"fieldManager": MANAGER}, body=obj)

    def apply(self, resource: resources.Resource, obj: Object, *, manager: str = MANAGER, force: bool = True) -> Object:
        """Server-side apply; fields of others that we also set become ours."""
        path = resource.path(resources.namespace_of(obj), resources.name_of(obj))
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return self._json("PATCH", path, query=query, body=obj, content_type=api.APPLY)

    def patch(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = api.MERGE,
        subresource: str | None = None,
    ) -> Object:
        """PATCH with one of the content types of ``kube.api``."""
        path = resource.path(namespace, name, subresource)
        return self._json("PATCH", path, query={"fieldManager": MANAGER}, body=body, content_type=type)

    def delete(self, resource: resources.Resource, name: str, namespace: str | None = None) -> bool:
        """DELETE in the background; False when there was nothing to delete."""
        try:
            self._json("DELETE", resource.path(namespace, name), body={"propagationPolicy": "Background"})
        except status.NotFound:
            return False
        return True

    def watch(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        fields: str = "",
        timeout: float = 30.0,
    ) -> Iterator[api.Event]:
        """What is there now as ADDED, then changes, for at most ``timeout`` seconds."""
        query = {"watch": "true", "timeoutSeconds": str(max(1, round(timeout)))}
        if fields:
            query["fieldSelector"] = fields
        reply = self._send("GET", f"{resource.path(namespace)}?{urlencode(query)}", timeout=timeout + 5)
        try:
            rest = b""
            for chunk in reply.stream(65536):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise status.error_of(event["object"])
                    yield api.Event(event["type"], event["object"])
        finally:
            reply.release_conn()

    def raw(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body of any request; ``body`` is sent as JSON. Never raises for a status."""
        reply = self._send(method, path, body=body, headers=headers, timeout=timeout, preload=True)
        return reply.status, list(reply.headers.items()), reply.data

    def forward(self, namespace: str, pod: str, port: int) -> Any:
        """A forwarded port, a ``channels.Channel``; StatusError when there is none."""
        import websocket

        from labkit.kube import channels

        connection, path = self._connection(), resources.PODS.path(namespace, pod, "portforward")
        headers: dict[str, str] = {}
        connection.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        try:
            return channels.opened(connection.configuration, path, port, headers)
        except websocket.WebSocketException as e:
            raise status.error_of(_status_in(str(e))) from e
        except OSError as e:
            raise status.StatusError({"code": 503, "message": self._out_of_reach(e)}) from e

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        full = path + (f"?{urlencode(query)}" if query else "")
        code, _, data = self.raw(method, full, body=body, headers={"Content-Type": content_type} if body else None)
        # Whoever has no credentials is asked no login: the server takes them for a user without rights.
        if code == 401 or (code == 403 and ANONYMOUS.encode() in data):
            raise status.StatusError({"code": 401, "reason": "Unauthorized", "message": self.not_let_in()})
        if code >= 400:
            raise _refusal(code, data)
        document: Object = json.loads(data)
        return document

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        preload: bool = False,
    ) -> Any:
        import urllib3

        connection = self._connection()
        sent = {"Accept": "application/json", **connection.default_headers, **(headers or {})}
        connection.update_params_for_auth(sent, [], ["BearerToken"], path, method, None)
        data = json.dumps(body).encode() if body is not None else None
        url = connection.configuration.host.rstrip("/") + path
        try:
            return connection.rest_client.pool_manager.request(
                method,
                url,
                body=data,
                headers=sent,
                preload_content=preload,
                timeout=urllib3.Timeout(connect=min(CONNECT, timeout), read=timeout),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as e:
            raise status.StatusError({"code": 503, "message": self._out_of_reach(e)}) from e

    def not_let_in(self) -> str:
        """What to say of a 401."""
        where = f"{self.kubeconfig}{f' for context {self.context}' if self.context else ''}"
        return login.refused(where, self._complaint)

    def _out_of_reach(self, error: Exception) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"The server of {self.kubeconfig} is not the one that this file trusts.\nLast seen: {error}\n"
                "Next: another cluster may have its address now, or its certificates are new: get a new kubeconfig"
            )
        return (
            f"The cluster of {self.kubeconfig} does not answer.\nLast seen: {error}\n"
            "Next: ./lab up starts a sandbox or kind cluster that is down; another one has to be reached from here: "
            f"kubectl --kubeconfig {shlex.quote(str(self.kubeconfig))} cluster-info"
        )

    def _connection(self) -> Any:
        with self._lock:
            if self._connected is None:
                self._connected, self._complaint = login.connected(self.kubeconfig, self.context)
            return self._connected


def _status_in(text: str) -> Object:
    """The server's answer to a refused WebSocket, which the official client hides at the end of its own words."""
    body = text.rpartition("-+-+-")[2].strip()
    with contextlib.suppress(ValueError):
        document: Object = json.loads(body)
        return document
    return {"code": 503, "message": text[:500]}


def _refusal(code: int, body: bytes) -> status.StatusError:
    try:
        reply = json.loads(body)
    except ValueError:
        reply = {"code": code, "message": body.decode("utf-8", "replace").strip()}
    return status.error_of(reply)
