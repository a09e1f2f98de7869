"""The control plane as a pod: follows the public API, tells every Envoy, injects, validates and signs."""

import asyncio
import base64
import contextlib
import logging
import signal
import ssl
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import yaml
from aiohttp import web

from labkit.kube import aio, informer, resources, status
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.sandbox.xds import ads, authority, debug, identities, publishing, webhooks

log = logging.getLogger("istiod")

NAMESPACE = "istio-system"
NAMES = ("istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod")
FOLLOWED = (
    resources.SERVICES,
    resources.ENDPOINT_SLICES,
    resources.PODS,
    resources.NAMESPACES,
    resources.VIRTUAL_SERVICES,
    resources.DESTINATION_RULES,
    resources.GATEWAYS,
    resources.SERVICE_ENTRIES,
    resources.PEER_AUTHENTICATIONS,
)
QUIET = 0.005
"""Seconds without a change before a push; istiod waits 0.1."""

LONGEST_QUIET = 0.05
"""Seconds after which it is pushed whatever still changes."""

RENEWAL = 600.0
"""Seconds between looks for certificates to renew."""

ROOT_CONFIG_MAP = "istio-ca-root-cert"
CONFIG_OBJECTS = {r.plural for r in FOLLOWED if "istio.io" in r.group}


class Istiod:
    """All of it, on one event loop."""

    def __init__(self, client: aio.Client, root: authority.Authority, ip: str) -> None:
        self._client, self._root, self._ip = client, root, ip
        self._informers = {r: informer.Informer(client, r) for r in FOLLOWED}
        self._mesh = informer.Informer(client, resources.CONFIG_MAPS, namespace=NAMESPACE)
        self._publication = publishing.Publication(identities.Identities(root))
        self.discovery = ads.Discovery(self._authenticate, self._publication.resources_for, self._refused)
        self._changed = asyncio.Event()
        self._touched: dict[str, Object] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for found in [*self._informers.values(), self._mesh]:
                found.on_change(self._note)
                group.create_task(found.run())
            await asyncio.gather(*(i.synced.wait() for i in self._informers.values()))
            group.create_task(self._distribute())
            group.create_task(self._push_loop())
            group.create_task(self._renew_loop())
            self._publish()
            server = await self._serve_grpc()
            runners = await self._serve_http()
            log.info("ready on %s", self._ip)
            try:
                await asyncio.Event().wait()
            finally:
                await server.stop(0.1)
                for runner in runners:
                    await runner.cleanup()

    def _note(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        if new is not None and "istio.io" in obj.get("apiVersion", ""):
            self._touched[resources.uid_of(obj)] = obj
        self._changed.set()

    async def _push_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._changed.wait()
            end = loop.time() + LONGEST_QUIET
            while self._changed.is_set() and loop.time() < end:
                self._changed.clear()
                await asyncio.sleep(QUIET)
            self._changed.clear()
            try:
                self._publish()
            except Exception:
                # A snapshot that cannot be compiled must not end the service: the last good one stays.
                log.exception("this configuration could not be compiled; the last good one stays")

    def _publish(self) -> None:
        objects = {_key(r): list(i.all()) for r, i in self._informers.items()}
        self._publication.renew(objects, self._mesh_config())
        self.discovery.publish()
        self._recent, self._touched = dict(self._touched), {}

    def _mesh_config(self) -> Object:
        found = self._mesh.get("istio", NAMESPACE)
        text = ((found or {}).get("data") or {}).get("mesh", "")
        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as e:
            log.warning("ConfigMap istio-system/istio, key mesh, is not YAML and is not used: %s", e)
            return {}

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            self.discovery.publish()

    async def _authenticate(self, metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
        """The proxy that holds the token; its pod must be the one its node id claims."""
        token = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["istio-ca"]},
        }
        answer = (await self._client.create(resources.TOKEN_REVIEWS, review)).get("status") or {}
        user = (answer.get("user") or {}).get("username", "").split(":")
        if not answer.get("authenticated") or len(user) != 4:
            raise PermissionError("the token is not one of a service account for istio-ca")
        namespace, account = user[2], user[3]
        role, ip, name, _ = node["id"].split("~")
        pod_name, _, pod_namespace = name.partition(".")
        pod = await self._pod(pod_namespace, pod_name)
        if pod_namespace != namespace or pod["spec"].get("serviceAccountName", "default") != account:
            raise PermissionError(f"{name} is not a pod of service account {namespace}/{account}")
        said = node.get("metadata") or {}
        return model.Proxy(
            name=pod_name,
            namespace=namespace,
            role=role,
            ip=ip,
            app_ip=said.get("LABKIT_APP_IP", ip),
            node_ip=said.get("LABKIT_NODE_IP", ""),
            labels=resources.labels_of(pod),
            service_account=account,
        )

    async def _pod(self, namespace: str, name: str) -> Object:
        found = self._informers[resources.PODS].get(name, namespace)
        if found is not None:
            return found
        try:
            return await self._client.get(resources.PODS, name, namespace)
        except status.StatusError as e:
            raise PermissionError(f"there is no pod {namespace}/{name}") from e

    def _refused(self, stream: ads.Stream, kind: str, text: str) -> None:
        """Say on the objects of the last push that an Envoy does not take them."""
        _, marker, tail = text.partition("Proto constraint validation failed")
        sentence = f"{marker}{tail}" if marker else text
        log.warning("%s.%s refuses its %s: %s", stream.proxy.name, stream.proxy.namespace, kind, sentence)
        for obj in self._recent.values():
            task = asyncio.create_task(self._tell(obj, stream.proxy, kind, sentence))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, obj: Object, proxy: model.Proxy, kind: str, sentence: str) -> None:
        metadata = {"generateName": f"{resources.name_of(obj)}.", "namespace": resources.namespace_of(obj)}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": resources.name_of(obj),
                "namespace": resources.namespace_of(obj),
                "uid": resources.uid_of(obj),
            },
            "type": "Warning",
            "reason": "Rejected",
            "message": f"Envoy of {proxy.namespace}/{proxy.name} keeps its last good {kind}: {sentence}"[:1000],
            "source": {"component": "istiod"},
            "reportingComponent": "istiod",
            "count": 1,
        }
        with contextlib.suppress(status.StatusError, OSError):
            await self._client.create(resources.EVENTS, event, manager="istiod")

    async def _distribute(self) -> None:
        """The root certificate in every namespace, where proxies look for it."""
        namespaces = self._informers[resources.NAMESPACES]
        wake = asyncio.Event()
        namespaces.on_change(lambda old, new: wake.set())
        wake.set()
        while True:
            await wake.wait()
            wake.clear()
            for namespace in namespaces.all():
                if not namespace["metadata"].get("deletionTimestamp"):
                    with contextlib.suppress(status.StatusError, OSError):
                        await self._put_root(resources.name_of(namespace))

    async def _put_root(self, namespace: str) -> None:
        metadata = {
            "name": ROOT_CONFIG_MAP,
            "namespace": namespace,
            "labels": {"istio.io/config": "true"},
        }
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"root-cert.pem": self._root.root},
        }
        await self._client.patch(
            resources.CONFIG_MAPS,
            ROOT_CONFIG_MAP,
            namespace,
            body,
            type="application/apply-patch+yaml",
            manager="istiod",
            force=True,
        )

    async def _serve_grpc(self) -> Any:
        own = self._root.server(*NAMES)
        credentials = grpc.ssl_server_credentials([(own.key.encode(), own.chain.encode())])
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((self.discovery.handler(),))
        server.add_secure_port(f"{self._ip}:15012", credentials)
        await server.start()
        return server

    async def _serve_http(self) -> list[web.AppRunner]:
        hooks = web.Application(client_max_size=4 * 1024 * 1024)
        namespaces = self._informers[resources.NAMESPACES]
        hooks.add_routes(webhooks.Webhooks(lambda name: namespaces.get(name) or {}).routes())
        plain = web.Application()
        plain.add_routes(debug.routes(self.discovery))
        started = []
        own = self._root.server(*NAMES)
        for app, port, context in (
            (hooks, 15017, _context(own)),
            (plain, 15014, None),
            (plain_ready(), 8080, None),
        ):
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            if port == 8080:
                await self._announce_webhooks()
            await web.TCPSite(runner, self._ip, port, ssl_context=context, shutdown_timeout=0.1).start()
            started.append(runner)
        return started

    async def _announce_webhooks(self) -> None:
        """Tell the API server which certificate signs our webhooks; before that nothing may be injected."""
        bundle = base64.b64encode(self._root.root.encode()).decode()
        for resource in (resources.MUTATING_WEBHOOKS, resources.VALIDATING_WEBHOOKS):
            for found in (await self._client.list(resource, labels="app in (istiod,sidecar-injector)"))["items"]:
                hooks = [{**h, "clientConfig": {**h["clientConfig"], "caBundle": bundle}} for h in found["webhooks"]]
                await self._client.patch(
                    resource, resources.name_of(found), None, {"webhooks": hooks}, manager="istiod"
                )


def plain_ready() -> web.Application:
    """``:8080/ready``, which the readiness probe asks."""
    app = web.Application()
    app.router.add_get("/ready", lambda _: _ok())
    return app


async def _ok() -> web.Response:
    return web.Response(text="")


def _key(resource: resources.Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _context(own: authority.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(own.key + own.chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def _root(client: aio.Client) -> authority.Authority:
    """The mesh's root: kept in a Secret, so that a new istiod signs for the old one's proxies."""
    found = authority.Authority.new()
    try:
        await client.create(resources.SECRETS, found.as_secret(NAMESPACE), manager="istiod")
    except status.AlreadyExists:
        kept = await client.get(resources.SECRETS, authority.SECRET, NAMESPACE)
        return authority.Authority.from_secret(kept)
    return found


async def _serve(env: Mapping[str, str]) -> None:
    async with aio.Client.in_cluster(env) as client:
        istiod = Istiod(client, await _root(client), env["LABKIT_APP_IP"])
        task = asyncio.create_task(istiod.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """The ``pilot`` image: ``discovery``."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.path[:] = [p for p in sys.path if p] or [str(Path.cwd())]
    asyncio.run(_serve(env))
    return 0
