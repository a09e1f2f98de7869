"""From caches to encoded resources: one compilation for all proxies, every resource encoded once."""

from collections import ChainMap
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh import compiler, gateway_api, ingress, model, patches, secrets
from labkit.sandbox.istiod import ads, attribution, encoding, identities, nodeproxies, trials

KINDS = ("clusters", "endpoints", "listeners", "extensions", "routes", "secrets")

Encoded = Mapping[str, Mapping[str, bytes]]
"""Kind → name → bytes."""


class Publication:
    """What every proxy should have now."""

    def __init__(
        self,
        own: identities.Identities,
        on_refusal: Callable[[ads.Refusal], object] = lambda _: None,
        *,
        on_denial: Callable[[model.Proxy, Sequence[str]], object] = lambda _, __: None,
        has_low_ports: bool = True,
        is_ambient: bool = False,
    ) -> None:
        """``on_denial`` hears of a proxy and the Secrets that it asks for and may not have."""
        self._secrets, self._on_refusal, self._has_low_ports = own, on_refusal, has_low_ports
        self._on_denial = on_denial
        self._is_ambient = is_ambient
        self.snapshot = model.Snapshot(objects={})
        """What was compiled last, without what the Gateway API adds."""

        self.converted = gateway_api.Converted()
        """What became of the Gateway API's objects."""

        self.nodes = nodeproxies.NodeProxies(own)
        """What nodes' proxies of ambient are told."""

        self.trials = trials.Trials()
        """What Envoys refuse because of an EnvoyFilter."""

        self._index: compiler.Index | None = None
        self._encoder = encoding.Encoder()
        self._given: dict[tuple[str, str], Encoded] = {}
        self._asked: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str, str]] = set()

    def renew(
        self,
        objects: dict[str, list[Object]],
        mesh_config: Object,
        changes: Sequence[attribution.Change] = (),
        keys: Mapping[str, str] | None = None,
        secret_readers: Container[secrets.Account] | None = None,
    ) -> list[tuple[Object, str]]:
        """Compile a new snapshot; objects that cannot be compiled stay as they were, and are given back with why.

        ``keys`` are those of token issuers, ``secret_readers`` the accounts that may list Secrets. What was given to
        proxies that left is dropped.
        """
        snapshot = model.Snapshot(
            objects=objects,
            mesh_config=mesh_config,
            keys=keys or {},
            is_ambient=self._is_ambient,
            secret_readers=secret_readers,
        )
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
        self._given = {key: self._given[key] for key in self._asked}
        self._secrets.keep(self._asked)
        self.trials.keep(f"{name}.{namespace}" for namespace, name in self._asked)
        self._asked = set()
        self._encoder.turn()
        return broken

    def _compile(self, snapshot: model.Snapshot) -> None:
        converted = gateway_api.convert(snapshot, has_low_ports=self._has_low_ports)
        self._index = compiler.index(ingress.expanded(gateway_api.expanded(snapshot, converted)), self._index)
        self.snapshot, self.converted = snapshot, converted

    def resources_for(self, proxy: model.Proxy) -> Encoded:
        """Kind → name → bytes for one proxy; nothing before the first snapshot."""
        if self._index is None:
            return {}
        is_of_node = proxy.role == nodeproxies.ROLE
        config = self.nodes.config(self.snapshot, proxy) if is_of_node else self.config_for(proxy)
        if config.denied_secrets:
            self._on_denial(proxy, config.denied_secrets)
        key = proxy.namespace, proxy.name
        before = self._given.get(key, {})
        encoded = {kind: self._of_kind(kind, getattr(config, kind), proxy, before.get(kind, {})) for kind in KINDS}
        # Beside the certificates of a gateway's listeners, its own identity.
        encoded["secrets"] = {**encoded["secrets"], **self._secrets.secrets(proxy, self._trust_domain)}
        if is_of_node:
            encoded["secrets"] = {**encoded["secrets"], **self.nodes.secrets(self.snapshot, proxy)}
        self._given[key] = encoded
        self._asked.add(key)
        return encoded

    def config_for(self, proxy: model.Proxy) -> model.Config:
        """The configuration of a proxy; resources on trial are without the EnvoyFilters that are left out of them."""
        if self._index is None:
            return model.Config()
        config = offered = self._index.for_proxy(proxy)
        for name, versions in self.trials.instead(proxy.key, lambda name: _resource(config, name)).items():
            offered = _with(offered, name, _resource(self._index.for_proxy(proxy, versions), name))
        return offered

    def refused(self, refusal: ads.Refusal) -> trials.Ruling:
        """What follows from a NACK, as far as EnvoyFilters go."""
        index = self._index
        is_of_node = refusal.proxy.role == nodeproxies.ROLE
        if index is None or is_of_node or len(refusal.names) != 1 or ads.TAKEN in refusal.text:
            return trials.Ruling(is_unexplained=True)
        proxy, name = refusal.proxy, (refusal.kind, refusal.names[0])
        whole = _resource(index.for_proxy(proxy), name)
        return self.trials.refused(proxy.key, name, refusal.text, whole, lambda: index.filters_behind(proxy, *name))

    def taken(self, proxy: model.Proxy) -> trials.Ruling:
        """What follows when a proxy has taken all that it was offered."""
        return self.trials.taken(proxy.key, self.snapshot.of(patches.RESOURCE))

    @property
    def _trust_domain(self) -> str:
        return model.trust_domain(self.snapshot.mesh_config)

    def _of_kind(
        self, kind: str, resources: Mapping[str, Object], proxy: model.Proxy, before: Mapping[str, bytes]
    ) -> Mapping[str, bytes]:
        layers = [self._encoder.layer(kind, m) for m in _layers(resources)]
        faults = {name: text for layer in layers for name, text in layer.faults.items()}
        if not faults:
            # Proxies that see the same are given the very same mapping.
            return layers[0].encoded if len(layers) == 1 else self._encoder.joined([layer.encoded for layer in layers])
        for name, text in faults.items():
            self._tell(kind, name, proxy, text)
        # The last good resource stays, as it does after a NACK.
        kept = {name: before[name] for name in faults if name in before}
        return dict(chain(kept.items(), *(layer.encoded.items() for layer in layers)))

    def _tell(self, kind: str, name: str, proxy: model.Proxy, text: str) -> None:
        if (kind, name, text) not in self._told:
            self._told.add((kind, name, text))
            self._on_refusal(ads.Refusal(proxy=proxy, kind=kind, names=(name,), text=text))


def _resource(config: model.Config, name: trials.Name) -> Object | None:
    resource: Object | None = getattr(config, name[0]).get(name[1])
    return resource


def _with(config: model.Config, name: trials.Name, resource: Object | None) -> model.Config:
    """The configuration with another resource of a name, or none."""
    kind, own = name
    before: Mapping[str, Object] = getattr(config, kind)
    if resource is None:
        changed: dict[str, Any] = {kind: {n: r for n, r in before.items() if n != own}}
    else:
        layers = before.maps if isinstance(before, ChainMap) else [dict(before)]
        changed = {kind: ChainMap({own: resource}, *layers)}
    return replace(config, **changed)


def _layers(resources: Mapping[str, Object]) -> Sequence[Mapping[str, Object]]:
    return resources.maps[::-1] if isinstance(resources, ChainMap) else (resources,)
