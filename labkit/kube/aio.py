"""The asynchronous client over HTTPS: ``Api`` for any API server."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yaml

from labkit.kube import api, resources, status
from labkit.kube.resources import Object

SERVICE_ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"
WATCH_SECONDS = 290
"""How long one watch may last, in seconds; as client-go, somewhat under the server's five minutes."""


class Client:
    """Speaks to one API server with a bearer token; use it as an async context manager."""

    def __init__(self, server: str, *, authority: Path | None, token: str = "", token_file: Path | None = None):
        self.server = server.rstrip("/")
        self._token, self._token_file = token, token_file
        self._ssl = ssl.create_default_context(cafile=str(authority) if authority else None)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Client({self.server})"

    @classmethod
    def in_cluster(cls, env: Mapping[str, str]) -> "Client":
        """From a pod's environment; ``LABKIT_ROOT`` stands for ``/`` where pods share a file system."""
        mount = Path(env.get("LABKIT_ROOT", "/")) / SERVICE_ACCOUNT
        host, port = env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]
        return cls(f"https://{host}:{port}", authority=mount / "ca.crt", token_file=mount / "token")

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "Client":
        """From a kubeconfig with a token and a certificate-authority file, as the sandbox writes it."""
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = path.parent / cluster["certificate-authority"]
        return cls(cluster["server"], authority=authority, token=user["token"])

    async def __aenter__(self) -> "Client":
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def get(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object:
        """One object, or NotFound."""
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Object:
        """The list object; each item gets its kind and apiVersion, which typed lists leave out."""
        query = _selectors(labels, fields)
        listed = await self._call("GET", resource.path(namespace), query)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return {**listed, "items": [{**kind, **item} for item in listed.get("items") or []]}

    async def create(
        self, resource: resources.Resource, obj: Object, *, manager: str = "", dry_run: bool = False
    ) -> Object:
        """POST into the namespace of its metadata."""
        query = _writer(manager, dry_run=dry_run)
        return await self._call("POST", resource.path(resources.namespace_of(obj)), query, obj)

    async def replace(
        self, resource: resources.Resource, obj: Object, *, subresource: str | None = None, manager: str = ""
    ) -> Object:
        """PUT; Conflict if its resourceVersion is not the newest."""
        path = resource.path(resources.namespace_of(obj), resources.name_of(obj), subresource)
        return await self._call("PUT", path, _writer(manager), obj)

    async def patch(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = api.MERGE,
        subresource: str | None = None,
        manager: str = "",
        force: bool = False,
    ) -> Object:
        """PATCH with the content type given."""
        query = _writer(manager) | ({"force": "true"} if force and type == api.APPLY else {})
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, query, body, content_type=type)

    async def delete(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace: int | None = None,
        uid: str | None = None,
    ) -> None:
        """DELETE."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._call("DELETE", resource.path(namespace, name), body=options)

    async def watch(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        since: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[api.Event]:
        """Events after ``since`` until the server ends the watch."""
        query = _selectors(labels, fields) | {
            "watch": "true",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        url = f"{self.server}{resource.path(namespace)}?{urlencode(query)}"
        no_limit = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with self._open().get(url, headers=self._headers(), timeout=no_limit) as reply:
            if reply.status >= 400:
                raise await _refusal(reply)
            async for line in _lines(reply.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise status.error_of(event["object"])
                yield api.Event(event["type"], event["object"])

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = "application/json",
    ) -> Object:
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers() | ({"Content-Type": content_type} if body is not None else {})
        data = json.dumps(body).encode() if body is not None else None
        async with self._open().request(method, url, data=data, headers=headers) as reply:
            if reply.status >= 400:
                raise await _refusal(reply)
            document: Object = await reply.json(content_type=None)
            return document

    def _headers(self) -> dict[str, str]:
        # Read each time: the kubelet renews a pod's token in place.
        token = self._token_file.read_text() if self._token_file else self._token
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the client inside `async with`")
        return self._session


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own iteration stops at 64 KiB, and one object may be larger."""
    rest = b""
    async for chunk in stream.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}


def _writer(manager: str, *, dry_run: bool = False) -> dict[str, str]:
    return ({"fieldManager": manager} if manager else {}) | ({"dryRun": "All"} if dry_run else {})


async def _refusal(reply: aiohttp.ClientResponse) -> status.StatusError:
    text = await reply.text()
    try:
        body = json.loads(text)
    except ValueError:
        body = {"code": reply.status, "message": text.strip() or reply.reason}
    return status.error_of(body)
