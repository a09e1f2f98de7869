"""A real Envoy as judge: it is told a configuration by delta ADS, and says of every resource whether it takes it."""

import asyncio
import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit.base import processes, programs
from labkit.mesh import model, refusals, sandboxed
from labkit.sandbox.istiod import ads, authority, identities, messages, serving, session
from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent, bootstrap, credentials

Name = tuple[str, str]
"""Kind and name of a resource: ``("clusters", "outbound|80||web")``."""

PATIENCE = 60.0
"""Seconds after which an answer that has not come is a fault of the judge, not a verdict."""

REFERENCES = {
    "eds_cluster_config": ("endpoints", "service_name"),
    "rds": ("routes", "route_config_name"),
    "tls_certificate_sds_secret_configs": ("secrets", "name"),
    "validation_context_sds_secret_config": ("secrets", "name"),
}
"""Field of a cluster or a listener → the kind of what Envoy asks for because of it, and where its name stands."""

SYMBOL = re.compile(r"(POD|ClusterIP)\([^)]*\)|AutoIPv4")
NOBODY = model.Proxy(name="judge", namespace="default", role="sidecar", ip="")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one configuration."""

    refused: Mapping[Name, str]
    """Why Envoy does not take what it does not take."""

    taken: frozenset[Name]
    """What it asked for, was sent, and has accepted."""


def numbered(snapshot: model.Snapshot) -> model.Snapshot:
    """The snapshot of a scene with numbers for ``POD(web)`` and ``ClusterIP(web)``, of which Envoy knows nothing."""
    numbers: dict[str, str] = {}
    text = SYMBOL.sub(
        lambda found: numbers.setdefault(found[0], f"10.0.0.{len(numbers) + 1}"), json.dumps(dict(snapshot.objects))
    )
    return replace(snapshot, objects=json.loads(text))


def names(config: model.Config) -> frozenset[Name]:
    """Everything in a configuration."""
    return frozenset((kind, name) for kind in session.ORDER for name in getattr(config, kind))


def asked_for(resource: Any) -> Iterator[Name]:
    """What Envoy asks for because of a cluster or a listener."""
    if isinstance(resource, list):
        for item in resource:
            yield from asked_for(item)
    elif isinstance(resource, dict):
        if "config_discovery" in resource:
            yield "extensions", resource["name"]
        for field, value in resource.items():
            if field in REFERENCES:
                kind, key = REFERENCES[field]
                yield from ((kind, found[key]) for found in (value if isinstance(value, list) else [value]))
            yield from asked_for(value)


class Judge:
    """One Envoy, started as a pod's is, and the discovery service that it listens to.

    Between two judgements nothing happens: the service's loop runs while there is something to wait for.
    """

    def __init__(self, folder: Path, block: addresses.Block) -> None:
        self._folder, self._block, self._ip = folder, block, block.pod(2)
        self._log = folder / "envoy.log"
        self._root = authority.Authority.new()
        self._own = identities.Identities(self._root).secrets(NOBODY)
        self._runner = asyncio.Runner()
        self._is_alive: Callable[[], bool] = lambda: False
        self._config = model.Config()
        self._encoded: dict[str, dict[str, bytes]] = {}
        self._discovery = ads.Discovery(_known, lambda _: self._encoded, lambda _: None)

    def proxy(self, found: model.Proxy) -> model.Proxy:
        """The proxy, if it were this Envoy."""
        return replace(found, ip=self._ip, place=sandboxed.Place(ip=self._ip, node_ip=self._block.pod(3)))

    @contextlib.contextmanager
    def running(self) -> Iterator["Judge"]:
        """Started, and with nothing but what it has from its bootstrap."""
        with self._runner:
            server = self._runner.run(self._served())
            try:
                with self._envoy():
                    self.judge(model.Config())
                    yield self
            finally:
                self._agent.close()
                self._runner.run(server.stop(0))

    def judge(self, config: model.Config) -> Verdict:
        """The verdict once Envoy was told this configuration instead of the one before, and has answered all of it."""
        self._config = config
        self._encoded = {
            kind: {name: messages.encoded(kind, r) for name, r in getattr(config, kind).items()}
            for kind in session.ORDER
        }
        self._encoded["secrets"] |= self._own
        self._runner.run(self._until_answered())
        return self._verdict()

    async def _served(self) -> Any:
        files = {name: self._folder / file for name, (_, file) in credentials.MOUNTS.items()}
        files[credentials.ROOT].write_text(self._root.root)
        files[credentials.TOKEN].write_text("")
        self._agent = await credentials.Service(files).listen(self._folder)
        return await serving.discovery((self._discovery.handler(),), self._root.server(*serving.NAMES), self._ip)

    @contextlib.contextmanager
    def _envoy(self) -> Iterator[None]:
        program = agent.envoy()
        assert program is not None
        file = self._folder / "envoy.json"
        file.write_text(json.dumps(self._bootstrap()))
        with self._log.open("w") as log:
            process = subprocess.Popen([program, "-c", file, *agent.FLAGS], cwd=self._folder, stdout=log, stderr=log)
        self._is_alive = lambda: process.poll() is None
        try:
            yield
        finally:
            processes.end(processes.identity(process.pid), grace=5)
            process.wait()

    def _bootstrap(self) -> dict[str, Any]:
        start = bootstrap.Start(
            role=NOBODY.role,
            name=NOBODY.name,
            namespace=NOBODY.namespace,
            ip=self._ip,
            istiod=self._ip,
            metadata={},
            credentials=credentials.SOCKET,
            refresh=3600.0,
        )
        # Names of other hosts are not looked up by anybody: whether Envoy takes a cluster does not depend on it.
        kind = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
        nobody = {"socket_address": {"address": self._ip, "port_value": 53}}
        resolver = {"@type": f"type.googleapis.com/{kind}", "resolvers": [nobody]}
        found = {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver}
        return {**bootstrap.bootstrap(start), "typed_dns_resolver_config": found}

    async def _until_answered(self) -> None:
        self._discovery.publish()
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._is_answered():
                    assert self._is_alive(), f"Envoy has ended:\n{programs.tail(self._log)}"
                    await self._discovery.until_change()
        except TimeoutError:
            sent = {kind: s.in_flight for kind, s in self._subscriptions().items() if s.in_flight}
            said = f"not answered: {sent}; not asked for: {sorted(self._unasked())}"
            raise AssertionError(f"{said}\n{programs.tail(self._log)}") from None

    def _is_answered(self) -> bool:
        """Whether Envoy has answered all that it was sent, and has asked for all that it is told to ask for."""
        subscriptions = self._subscriptions()
        is_connected = {"clusters", "listeners"} <= subscriptions.keys()
        return is_connected and not any(s.in_flight for s in subscriptions.values()) and not any(self._unasked())

    def _unasked(self) -> Iterator[Name]:
        """What the clusters and listeners that it took refer to, and it has not asked for."""
        subscriptions = self._subscriptions()
        refused = {kind: s.refusals for kind, s in subscriptions.items()}
        for kind in ("clusters", "listeners"):
            for name, resource in getattr(self._config, kind).items():
                if name not in refused.get(kind, {}):
                    for of, wanted in asked_for(resource):
                        if of not in subscriptions or wanted not in subscriptions[of].names:
                            yield of, wanted

    def _subscriptions(self) -> Mapping[str, session.Subscription]:
        stream = self._discovery.streams.get(f"{NOBODY.name}.{NOBODY.namespace}")
        return stream.subscriptions if stream else {}

    def _verdict(self) -> Verdict:
        refused: dict[Name, str] = {}
        taken: set[Name] = set()
        for kind, subscription in self._subscriptions().items():
            for name, data in self._encoded[kind].items():
                if name in subscription.refusals:
                    refused[kind, name] = self._reason(subscription.refusals[name])
                elif subscription.sent.get(name) == session.version_of(data):
                    taken.add((kind, name))
        return Verdict(refused=refused, taken=frozenset(taken & names(self._config)))

    def _reason(self, text: str) -> str:
        """The sentence in a refusal; what was cut off from it is at the end of Envoy's log."""
        return refusals.sentence(text) or refusals.sentence(self._log.read_text()) or text


async def _known(metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
    return NOBODY


def certificate(*hosts: str) -> dict[str, Any]:
    """A ``tls_certificate`` for these names, fresh, with its key."""
    made = authority.Authority.new().server(*hosts)
    return {"certificate_chain": {"inline_string": made.chain}, "private_key": {"inline_string": made.key}}
