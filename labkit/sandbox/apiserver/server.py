"""The API server: TLS on loopback, who is asking, and where the question goes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from aiohttp import web

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import (
    allocation,
    crds,
    discovery,
    handlers,
    local,
    nodes,
    openapi,
    pki,
    plugins,
    registry,
    replies,
    requests,
    store,
    tokens,
    verbs,
    webhooks,
)
from labkit.sandbox.apiserver.objects import refusals

HOST = "127.0.0.1"
OPEN = ("/version", "/healthz", "/livez", "/readyz")
"""Paths that need no token."""

BODY_LIMIT = 3 * 1024 * 1024
"""Bytes of one request body, as the real server's."""


class Server:
    """Serves one cluster from one folder."""

    def __init__(self, *, state: Path, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._identity = pki.identity(state / "pki")
        self._store = store.Store(state / "objects.db")
        self._tokens = tokens.Tokens(state / "pki", self._store)
        self._kinds = registry.Registry()
        for crd in self._store.list(crds.STORAGE):
            self._kinds.add_crd(crd)
        numbers = allocation.Numbers(self._store.list("services"))
        self._verbs = verbs.Verbs(self._store, self._kinds, numbers)
        self._verbs.on_stored.append(lambda served, new, old: crds.follow(self._kinds, served, new, old))
        self._webhooks = webhooks.Webhooks(self._store)
        self._verbs.admit_change = self._change
        self._verbs.admit_result = self._accept
        self._handlers = handlers.Handlers(self._verbs, self._tokens)
        self._openapi = openapi.Documents(self._kinds)
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.local = local.LocalApi(self._verbs, self._tokens)

    @property
    def root_ca(self) -> str:
        """The certificate that signs this API, PEM."""
        return self._identity.root_ca

    @property
    def node(self) -> nodes.NodeAgent | None:
        """Who answers for logs, exec and port-forward."""
        return self._handlers.node

    @node.setter
    def node(self, agent: nodes.NodeAgent) -> None:
        self._handlers.node = agent

    async def start(self) -> None:
        """Listen, on the port of last time when it is free, and write the kubeconfig."""
        await self._bootstrap()
        app = web.Application(
            client_max_size=BODY_LIMIT, handler_args={"max_line_size": 65536, "max_field_size": 65536}
        )
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = self._identity.context()
        for port in (self._last_port(), 0):
            site = web.TCPSite(self._runner, HOST, port, ssl_context=context, shutdown_timeout=0.1)
            try:
                await site.start()
            except OSError:
                continue
            break
        self.port = self._runner.addresses[0][1]
        self._write_kubeconfig()

    async def stop(self) -> None:
        """Close every connection and the file."""
        await self._webhooks.close()
        if self._runner:
            await self._runner.cleanup()
        self._store.close()

    def _last_port(self) -> int:
        try:
            config = yaml.safe_load(self._kubeconfig.read_text())
            return urlsplit(config["clusters"][0]["cluster"]["server"]).port or 0
        except (OSError, LookupError, TypeError, ValueError):
            return 0

    def _write_kubeconfig(self) -> None:
        server = f"https://{HOST}:{self.port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "labkit",
                    "cluster": {
                        "server": server,
                        "certificate-authority": str(self._identity.authority.resolve()),
                    },
                }
            ],
            "users": [{"name": "labkit", "user": {"token": self._tokens.admin}}],
            "contexts": [
                {"name": "labkit", "context": {"cluster": "labkit", "user": "labkit", "namespace": "default"}}
            ],
            "current-context": "labkit",
        }
        pki.private(self._kubeconfig, yaml.safe_dump(config, sort_keys=False).encode())

    async def _bootstrap(self) -> None:
        """What every cluster has before anybody asks."""
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            if self._store.get("namespaces", "", name) is None:
                await self._made("", "v1", "namespaces", {"metadata": {"name": name}})
        if self._store.get("services", "default", "kubernetes") is None:
            port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
            labels = {"component": "apiserver", "provider": "kubernetes"}
            await self._made(
                "",
                "v1",
                "services",
                {
                    "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
                    "spec": {"clusterIP": allocation.KUBERNETES, "ports": [port], "type": "ClusterIP"},
                },
            )

    async def _made(self, group: str, version: str, plural: str, obj: Object) -> None:
        served = self._kinds.find(group, version, plural)
        assert served is not None
        full = {"kind": served.schema.kind, "apiVersion": served.schema.api_version, **obj}
        order = verbs.Order(
            served=served,
            operation="CREATE",
            namespace=obj["metadata"].get("namespace", ""),
            name=obj["metadata"]["name"],
            manager="kube-apiserver",
        )
        await self._verbs.create(order, full)

    async def _change(self, order: verbs.Order, new: Object | None, old: Object | None) -> Object | None:
        assert new is not None
        if order.served.storage == crds.STORAGE:
            return crds.accepted(new)
        if order.subresource == "status":
            return new
        changed = plugins.change(self._store, order, new, old)
        return await self._webhooks.change(order, changed, old)

    async def _accept(self, order: verbs.Order, new: Object | None, old: Object | None) -> Object | None:
        if order.subresource != "status":
            await self._webhooks.accept(order, new, old)
        return None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._routed(request)
        except status.StatusError as e:
            return replies.refused(e)

    async def _routed(self, request: web.Request) -> web.StreamResponse:
        self._check_origin(request)
        path = request.path
        user = self._user(request)
        if path.startswith(OPEN):
            return replies.plain(discovery.VERSION) if path == "/version" else web.Response(text="ok")
        if target := requests.target(self._kinds, path):
            return await self._handlers.handle(request, target, user)
        return self._documents(request, path.strip("/").split("/"))

    def _documents(self, request: web.Request, parts: list[str]) -> web.Response:
        accept = request.headers.get("Accept", "")
        match parts:
            case ["api"] if "APIGroupDiscoveryList" in accept:
                return self._aggregated(core=True)
            case ["apis"] if "APIGroupDiscoveryList" in accept:
                return self._aggregated(core=False)
            case ["api"]:
                return replies.plain(
                    {
                        "kind": "APIVersions",
                        "versions": ["v1"],
                        "serverAddressByClientCIDRs": [
                            {"clientCIDR": "0.0.0.0/0", "serverAddress": f"{HOST}:{self.port}"}
                        ],
                    }
                )
            case ["apis"]:
                return replies.plain(discovery.group_list(self._kinds))
            case ["apis", group]:
                versions = discovery.groups(self._kinds, core=False).get(group)
                if versions:
                    return replies.plain({"kind": "APIGroup", "apiVersion": "v1", **discovery.group(group, versions)})
            case ["api", version] if version == "v1":
                found = discovery.groups(self._kinds, core=True)[""]["v1"]
                return replies.plain(discovery.resource_list(found, "v1"))
            case ["apis", group, version]:
                versions = discovery.groups(self._kinds, core=False).get(group, {})
                if version in versions:
                    return replies.plain(discovery.resource_list(versions[version], f"{group}/{version}"))
            case ["openapi", "v3"]:
                return replies.plain(self._openapi.index())
            case ["openapi", "v3", "api", version]:
                return web.Response(body=self._openapi.document("", version), content_type=replies.JSON)
            case ["openapi", "v3", "apis", group, version] if self._kinds.has_group_version(group, version):
                return web.Response(body=self._openapi.document(group, version), content_type=replies.JSON)
        raise status.error_of(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "the server could not find the requested resource",
                "reason": "NotFound",
                "details": {},
                "code": 404,
            }
        )

    def _aggregated(self, *, core: bool) -> web.Response:
        reply = replies.plain(discovery.aggregated(self._kinds, core=core))
        reply.headers["Content-Type"] = discovery.AGGREGATED
        return reply

    def _user(self, request: web.Request) -> Mapping[str, Any]:
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        if word.lower() == "bearer" and token:
            if user := self._tokens.user_of(token.strip()):
                return user
            raise refusals.refusal(401, "Unauthorized", "Unauthorized")
        if request.path.startswith(OPEN):
            return tokens.ANONYMOUS
        raise refusals.refusal(
            403,
            "Forbidden",
            f'forbidden: User "system:anonymous" cannot {request.method.lower()} path "{request.path}"',
            {},
        )

    def _check_origin(self, request: web.Request) -> None:
        """Refuse what only a web page would send: another host's name, another site's origin."""
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        origin = request.headers.get("Origin")
        names = (HOST, "localhost", "kubernetes.default.svc", None)
        own = origin is None or urlsplit(origin).hostname in (HOST, "localhost")
        if host not in names or not own or request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise refusals.refusal(403, "Forbidden", "requests from other hosts and origins are refused")
