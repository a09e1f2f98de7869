"""The control plane as a pod: follows the public API, tells every Envoy, injects, validates and signs."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from labkit.base import memory, tls
from labkit.kube import aio, api, resources
from labkit.kube.resources import Object, Resource
from labkit.mesh import model, patches, revisions, secrets
from labkit.mesh.ambient import statuses as ambient
from labkit.mesh.api import caveats
from labkit.mesh.policies import provider_findings, request_authentication
from labkit.sandbox.istiod import (
    ads,
    attribution,
    authentication,
    authority,
    complaints,
    debug,
    debugxds,
    distribution,
    following,
    gatewaycontroller,
    health,
    identities,
    ingressstatuses,
    keys,
    leading,
    lowports,
    nodeproxies,
    progress,
    publishing,
    scopes,
    secretreaders,
    serving,
    trials,
    trust,
    webhooks,
)
from labkit.sandbox.network import listening

log = logging.getLogger("istiod")

NAMESPACE = "istio-system"
AMBIENT = "PILOT_ENABLE_AMBIENT"
"""The variable that Istio's ambient profile sets to ``true``."""

QUIET = 0.005
"""Seconds without a change before a push; istiod waits 0.1."""

LONGEST_QUIET = 0.05
"""Seconds after which it is pushed whatever still changes."""


class Istiod:
    """All of it, on one event loop."""

    def __init__(
        self,
        client: api.Api,
        root: authority.Authority,
        ip: str,
        lifetimes: authority.Lifetimes = authority.Lifetimes(),  # noqa: B008, a frozen record
        *,
        is_ambient: bool = False,
        revision: revisions.Revision = revisions.Revision(),  # noqa: B008, a frozen record
        version: str = serving.VERSION,
    ) -> None:
        self._client, self._root, self._ip = client, root, ip
        self._revision, self._version = revision, version
        self._scope = leading.Scope(revision)
        self._followed = following.Following(client, self._note, self._kinds_changed)
        self._trust = trust.Distribution(client, self._followed, root.root)
        self._issued = asyncio.Event()
        self._identities = identities.Identities(root, lifetimes, on_issue=self._issued.set)
        self._readers = secretreaders.SecretReaders(client, time.monotonic)
        self._publication = publishing.Publication(
            self._identities,
            self._blamed,
            on_denial=self._readers.denied,
            has_low_ports=lowports.may_be_bound(),
            is_ambient=is_ambient,
        )
        self._controller = gatewaycontroller.GatewayController(client, self._followed)
        self._ingresses = ingressstatuses.IngressStatuses(client, self._followed)
        self._complaints = complaints.Complaints(client)
        self._blame = attribution.Blame()
        self.progress = progress.Progress()
        authenticator = self._authenticator = authentication.Authenticator(client, self._followed)
        self.discovery = ads.Discovery(self._admitted, self._publication.resources_for, self._refused, self._taken)
        self.progress.on_live = self.discovery.health.convergence.observe
        self._debug = debugxds.DebugDiscovery(
            self.discovery, authenticator.account, instance=socket.gethostname(), version=version
        )
        self._reporter = distribution.Reporter(client, self._report, self._followed.get)
        self.discovery.listeners.append(self._heard)
        self._changed = asyncio.Event()
        self._keys = keys.Keys(self._changed.set)
        self._changes: dict[str, attribution.Change] = {}
        self._recent: list[attribution.Change] = []

    def __repr__(self) -> str:
        return f"Istiod({len(self.discovery.streams)} proxies, push {self.discovery.pushes})"

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._followed.run())
            await self._followed.until_synced()
            group.create_task(self._trust.run())
            group.create_task(self._controller.run())
            group.create_task(self._ingresses.run())
            group.create_task(self._reporter.run())
            self._publish()
            group.create_task(self._push_loop())
            group.create_task(self._renew_loop())
            group.create_task(memory.keep_small())
            async with contextlib.AsyncExitStack() as servers:
                await self._serve(servers)
                log.info("ready on %s", self._ip)
                await asyncio.Event().wait()

    async def _serve(self, servers: contextlib.AsyncExitStack) -> None:
        own = self._root.server(*serving.names(self._revision))
        server = await serving.discovery((self.discovery.handler(), self._debug.handler()), own, self._ip)
        servers.push_async_callback(server.stop, 0.1)
        hooks = webhooks.Webhooks(
            lambda name: self._followed.get(resources.NAMESPACES, name) or {},
            self._mesh_config,
            self._injecting,
            gateway=self._gateway,
            counted=self.discovery.health,
        )
        pages = [*debug.routes(self.discovery, self.progress, self._why, self._takers), *serving.version(self._version)]
        pages += health.routes(self.discovery.health, self._state)
        pages.append(debug.ambient(lambda: self._publication.nodes.tables(self._publication.snapshot)))
        for routes, port, certificate in (
            (hooks.routes(), serving.WEBHOOKS, own),
            (pages, serving.DEBUG, None),
            (scopes.routes(), scopes.PORT, None),
        ):
            runner = await serving.web_app(routes, self._ip, port, certificate)
            servers.push_async_callback(runner.cleanup)
        # Only now, as the readiness probe finds out next.
        await serving.announce_webhooks(self._client, self._root.root, self._revision.name)
        runner = await serving.web_app(serving.ready(), self._ip, serving.READY)
        servers.push_async_callback(runner.cleanup)

    async def _admitted(self, metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
        """Who connects, and whether its account may list Secrets."""
        proxy = await self._authenticator.proxy(metadata, node)
        await self._readers.follow(secrets.readers_asked(self._publication.snapshot, [proxy]))
        return proxy

    def _heard(self) -> None:
        """A proxy took something, refused it, came or went."""
        if not self.progress.is_settled:
            self.progress.settle(self.discovery.taken)
        self._reporter.news()

    def _state(self) -> health.State:
        objects = self._followed.objects()
        return health.State(
            version=self._version,
            proxies=len(self.discovery.streams),
            services=len(objects.get("services", ())),
            virtual_services=len(objects.get("virtualservices.networking.istio.io", ())),
            root_expiry=self._root.expires.timestamp(),
            certificates=len(self._identities),
            memory=health.memory(),
        )

    def _report(self, key: progress.Key, version: str) -> Object:
        return self.progress.report(key, self._takers(), version=version)

    def _takers(self) -> list[progress.Taker]:
        guilty = self._publication.trials.guilty
        return debug.takers(self.discovery, lambda name: [guilt.object for guilt in guilty(name)])

    def _why(self) -> dict[str, list[str]]:
        return debug.why(self.discovery, self._blame.names_of, self._publication.trials.standing())

    def _note(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        event = "add" if old is None else "delete" if new is None else "update"
        self.discovery.health.events[str(obj.get("kind", "")), event] += 1
        if resource in following.CONFIGURATION and not trust.is_bundle(obj):
            if old is not None and new is not None and _says_the_same(old, new):
                # A status, ours or another controller's, changes nothing for any proxy.
                self.progress.touch(new)
                self._controller.look_again()
                return
            self._remember(resource, old, new, obj)
            if self._leads():
                self._reporter.note(resource, old, new)
        if resource == resources.ENDPOINT_SLICES:
            # Nobody writes these by hand, but who waits for a pod asks whether every proxy has its endpoint.
            self.progress.note(obj, is_gone=new is None)
        if resource in (resources.NAMESPACES, resources.CONFIG_MAPS):
            self._trust.wake.set()
            if new is not None and resources.name_of(new) == self._revision.named("istio"):
                self._complaints.without_effect(new, provider_findings.of_mesh(self._mesh_config()))
        if resource == resources.SECRETS and new is not None and _is_plugged_authority(new):
            self._take_authority(new)
        if resource == resources.SERVICES:
            self._controller.changed(old, new)
        self._changed.set()

    def _remember(self, resource: Resource, old: Object | None, new: Object | None, obj: Object) -> None:
        earlier = self._changes.get(resources.uid_of(obj))
        self._changes[resources.uid_of(obj)] = attribution.Change(
            place=following.key_of(resource), old=earlier.old if earlier else old, new=new
        )
        self.progress.note(obj, is_gone=new is None)
        if new is not None:
            self._complaints.without_effect(new, caveats.findings(new, self._mesh_config(), gateway=self._gateway))

    def _kinds_changed(self) -> None:
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
                objects = self._followed.objects()
                await self._keys.follow(keys.sources(objects.get(request_authentication.RESOURCE, ())))
                proxies = [stream.proxy for stream in self.discovery.streams.values()]
                await self._readers.follow(secrets.readers_asked(model.Snapshot(objects=objects), proxies))
                self._publish()
            except Exception:
                # A snapshot that cannot be compiled must not end the service: the last good one stays.
                log.exception("this configuration could not be compiled; the last good one stays")

    def _publish(self) -> None:
        began = time.perf_counter()
        self._recent, self._changes = list(self._changes.values()), {}
        broken = self._publication.renew(
            self._scope.of(self._followed.objects()),
            self._mesh_config(),
            self._recent,
            self._keys.fetched,
            self._readers,
        )
        self.discovery.health.context_time.observe(time.perf_counter() - began)
        for obj, text in broken:
            self._complaints.broken(obj, text)
        self.progress.pushed(self.discovery.pushes + 1)
        self.discovery.publish()
        if self._leads():
            self._controller.want(self._publication.converted, ambient.of(self._publication.snapshot))
            self._ingresses.want(self._publication.snapshot)

    def _gateway(self, namespace: str, name: str) -> Object | None:
        return self._followed.get(resources.KUBE_GATEWAYS, name, namespace)

    def _mesh_config(self) -> Object:
        config_map = self._followed.get(resources.CONFIG_MAPS, self._revision.named("istio"), NAMESPACE)
        text = ((config_map or {}).get("data") or {}).get("mesh", "")
        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as e:
            log.warning("ConfigMap istio-system/istio, key mesh, is not YAML and is not used: %s", e)
            return {}

    def _injecting(self) -> revisions.Revision:
        """This revision, with the image of proxies that its injector's values name."""
        values = self._followed.get(resources.CONFIG_MAPS, self._revision.named("istio-sidecar-injector"), NAMESPACE)
        text = ((values or {}).get("data") or {}).get("values", "")
        try:
            return replace(self._revision, image=revisions.proxy_image(json.loads(text or "{}")))
        except (ValueError, AttributeError) as e:
            log.warning("the injector's values are not used: %s", e)
            return self._revision

    def _leads(self) -> bool:
        """Whether this istiod writes what one alone writes: statuses, and the Deployments of Gateways."""
        return leading.leads(self._revision, self._followed.all(resources.PODS))

    def _take_authority(self, secret: Object) -> None:
        if (new := trust.replaced(self._root, secret)) is not None:
            self._root = new
            self._identities.sign_by(new)

    async def _renew_loop(self) -> None:
        """Send each proxy its next certificate when it is due; only that proxy hears of it."""
        while True:
            self._issued.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._identities.seconds_to_renewal()):
                    await self._issued.wait()
            due = self._identities.due()
            connected = {(s.proxy.namespace, s.proxy.name): s for s in self.discovery.streams.values()}
            for name in due & connected.keys():
                self.discovery.push(connected[name])
            self._identities.forget(due - connected.keys())
            if any(map(identities.is_account, due)):
                for stream in connected.values():
                    if stream.proxy.role == nodeproxies.ROLE:
                        self.discovery.push(stream)

    def _refused(self, refusal: ads.Refusal) -> bool:
        """Find out which object is behind a refusal, and say so on it; whether the proxy is offered something else."""
        try:
            ruling = self._publication.refused(refusal)
        except Exception:
            log.exception("whether an EnvoyFilter is behind a refusal could not be found out")
            ruling = trials.Ruling(is_unexplained=True)
        if refusal.proxy.role == nodeproxies.ROLE:
            log.error("%s refuses %s: %s", refusal.proxy.name, ", ".join(refusal.names), refusal.text)
        elif ruling.is_unexplained:
            self._blamed(refusal)
        return self._carried_out(refusal.proxy, ruling)

    def _taken(self, proxy: model.Proxy) -> bool:
        """Whether a proxy that has taken everything is offered something else."""
        return self._carried_out(proxy, self._publication.taken(proxy))

    def _carried_out(self, proxy: model.Proxy, ruling: trials.Ruling) -> bool:
        for guilt in ruling.guilty:
            kind, name = guilt.resource
            self._complaints.refused(
                ads.Refusal(proxy=proxy, kind=kind, names=(name,), text=guilt.text), [guilt.object]
            )
        return ruling.is_offered_again

    def _blamed(self, refusal: ads.Refusal) -> None:
        """Put a refusal down to the objects that changed, without EnvoyFilters: those were tried."""
        recent = [change for change in self._recent if change.place != patches.RESOURCE] or self._recent
        try:
            objects = self._blame.of(
                self._publication.snapshot, recent, refusal.proxy, refusal.kind, refusal.names, refusal.text
            )
        except Exception:
            # Blame is a help; not finding it must not end the stream of the proxy that spoke.
            log.exception("whom to blame for a refusal could not be found out")
            objects = [change.object for change in recent]
        self._complaints.refused(refusal, objects)


def _is_plugged_authority(secret: Object) -> bool:
    return (resources.namespace_of(secret), resources.name_of(secret)) == (NAMESPACE, authority.PLUGGED_IN)


def _says_the_same(old: Object, new: Object) -> bool:
    """Whether two versions differ in nothing that a person wrote; a Service's status holds its addresses."""
    if new["kind"] == "Service":
        return False
    if "generation" in new["metadata"]:
        same = new["metadata"]["generation"] == old["metadata"].get("generation")
        return same and all(new["metadata"].get(k) == old["metadata"].get(k) for k in ("labels", "annotations"))
    return False


async def _serve(env: Mapping[str, str]) -> None:
    async with aio.Client.in_cluster(env) as client:
        try:
            root = await trust.root(client, NAMESPACE)
        except ValueError as e:
            raise SystemExit(f"istiod cannot sign: {e}") from e
        istiod = Istiod(
            client,
            root,
            listening.pod_address(env),
            authority.Lifetimes.from_env(env),
            revision=revisions.of_name(env.get("REVISION", "")),
            version=revisions.version_of(env.get("LABKIT_IMAGE", "")),
            is_ambient=env.get(AMBIENT) == "true",
        )
        task = asyncio.create_task(istiod.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """The ``pilot`` image: ``discovery``."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.path[:] = [p for p in sys.path if p] or [str(Path.cwd())]
    tls.use_small_buffers()
    asyncio.run(_serve(env))
    return 0
