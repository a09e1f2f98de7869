"""From caches to encoded resources: one compilation for all proxies, every resource encoded once."""

import logging
from collections.abc import Callable, Mapping, Sequence

import orjson
from google.protobuf import json_format

from labkit.kube.resources import Object
from labkit.mesh import kgateway, model, translate
from labkit.sandbox.xds import ads, attribution, identities, messages

log = logging.getLogger(__name__)

KINDS = ("clusters", "endpoints", "listeners", "extensions", "routes")

Encoded = dict[str, dict[str, bytes]]


class Publication:
    """What every proxy should have now."""

    def __init__(
        self,
        secrets: identities.Identities,
        on_refusal: Callable[[ads.Refusal], None] = lambda _: None,
        *,
        has_low_ports: bool = True,
    ) -> None:
        self._secrets, self._on_refusal, self._has_low_ports = secrets, on_refusal, has_low_ports
        self.snapshot = model.Snapshot(objects={})
        """What was compiled last, without what the Gateway API adds."""

        self.converted = kgateway.Converted()
        """What became of the Gateway API's objects."""

        self._index: translate.Index | None = None
        self._encoded: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()
        self._same: dict[int, tuple[Object, bytes]] = {}
        self._before: dict[int, tuple[Object, bytes]] = {}
        self._shared: dict[tuple[str, int], tuple[Mapping[str, Object], dict[str, bytes]]] = {}
        self._given: dict[tuple[str, str], Encoded] = {}
        self._asked: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str, str]] = set()

    def renew(
        self, objects: dict[str, list[Object]], mesh_config: Object, changes: Sequence[attribution.Change] = ()
    ) -> list[tuple[Object, str]]:
        """Compile a new snapshot; objects that cannot be compiled stay as they were, and are given back with why.

        Encodings that nothing used since the last time are dropped, and so is what was given to proxies that left.
        """
        snapshot = model.Snapshot(objects=objects, mesh_config=mesh_config)
        broken: list[tuple[Object, str]] = []
        try:
            self._compile(snapshot)
        except Exception as e:
            # One object that trips the compiler must not keep the others from the proxies.
            culprits = attribution.unbearable(snapshot, changes)
            if not culprits:
                raise
            for change in culprits[:1]:
                broken.append((change.object, f"{type(e).__name__}: {e}"))
                self._compile(attribution.reverted(snapshot, change))
        self._encoded = {key: self._encoded[key] for key in self._used}
        self._given = {key: self._given[key] for key in self._asked}
        self._used, self._asked = set(), set()
        self._before, self._same, self._shared = self._same, {}, {}
        return broken

    def _compile(self, snapshot: model.Snapshot) -> None:
        converted = kgateway.convert(snapshot, has_low_ports=self._has_low_ports)
        self._index = translate.index(kgateway.expanded(snapshot, converted), self._index)
        self.snapshot, self.converted = snapshot, converted

    def resources_for(self, proxy: model.Proxy) -> Encoded:
        """Kind → name → bytes for one proxy; nothing before the first snapshot."""
        if self._index is None:
            return {}
        config = self._index.for_proxy(proxy)
        key = proxy.namespace, proxy.name
        before = self._given.get(key, {})
        found: Encoded = {
            kind: self._of_kind(kind, getattr(config, kind), proxy, before.get(kind, {})) for kind in KINDS
        }
        # Certificates of a gateway's listeners, and its own identity.
        secrets = self._of_kind("secrets", getattr(config, "secrets", {}), proxy, before.get("secrets", {}))
        found["secrets"] = secrets | dict(self._secrets.secrets(proxy))
        self._given[key] = found
        self._asked.add(key)
        return found

    def _of_kind(
        self, kind: str, wanted: Mapping[str, Object], proxy: model.Proxy, before: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        shared = self._shared.get((kind, id(wanted)))
        if shared is not None and shared[0] is wanted:
            return shared[1]
        found, same, is_whole = {}, self._same, True
        for name, resource in wanted.items():
            known = same.get(id(resource))
            if known is not None and known[0] is resource:
                found[name] = known[1]
                continue
            try:
                found[name] = self._bytes(kind, resource)
            except json_format.ParseError as e:
                is_whole = False
                # Envoy's API has no such thing: the last good resource stays, as it does after a NACK.
                if name in before:
                    found[name] = before[name]
                self._tell(kind, name, proxy, str(e))
        if is_whole:
            # Proxies that see the same are given the very same mapping.
            self._shared[kind, id(wanted)] = wanted, found
        return found

    def _tell(self, kind: str, name: str, proxy: model.Proxy, text: str) -> None:
        if (kind, name, text) not in self._told:
            self._told.add((kind, name, text))
            self._on_refusal(ads.Refusal(proxy=proxy, kind=kind, names=(name,), text=text))

    def _bytes(self, kind: str, resource: Object) -> bytes:
        # What the translator gives again is the same object: then nothing is even looked at.
        return self._known(resource, lambda: self._made(kind, resource))

    def _known(self, resource: Object, make: Callable[[], bytes]) -> bytes:
        known = self._same.get(id(resource)) or self._before.get(id(resource))
        if known is None or known[0] is not resource:
            known = resource, make()
        self._same[id(resource)] = known
        return known[1]

    def _made(self, kind: str, resource: Object) -> bytes:
        if kind == "routes" and resource.get(messages.HOSTS):
            return messages.encoded_table(resource, lambda host: self._known(host, lambda: messages.encoded_host(host)))
        # Reading JSON text is ten times cheaper than building a message, and most resources do not change.
        key = kind.encode() + orjson.dumps(resource)
        if key not in self._encoded:
            self._encoded[key] = messages.encoded(kind, resource)
        self._used.add(key)
        return self._encoded[key]
