"""Resources as bytes, each encoded once for as long as the translator gives the very same one.

A push asks for thousands of resources of which one or two have changed; so what is remembered is found by identity,
and what nothing asked for between two turns is forgotten.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, compress, count
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from google.protobuf import json_format

from labkit.kube.resources import Object
from labkit.sandbox.istiod import messages, session

NOTHING: Mapping[int, Any] = MappingProxyType({})


class _Entry(NamedTuple):
    """What an object became. It holds the object, so that no other one can have its identity meanwhile."""

    object: Any
    value: Any
    parts: "Mapping[int, _Entry]" = NOTHING
    """Entries by identity that are to be kept as long as this one."""


class Layer(NamedTuple):
    """Some resources of one kind."""

    encoded: Mapping[str, bytes]
    faults: Mapping[str, str]
    """Name → why Envoy's API has no such thing."""


class Encoder:
    """Encodes whole mappings of resources, by layers: what many proxies share is looked at once."""

    def __init__(self, encode_host: Callable[[Object], bytes] = messages.encoded_host) -> None:
        self._encode_host = encode_host
        self._now: dict[int, _Entry] = {}
        self._before: dict[int, _Entry] = {}
        self._texts: dict[bytes, bytes] = {}
        self._texts_before: dict[bytes, bytes] = {}
        self._joined: dict[tuple[int, ...], _Entry] = {}
        self._joined_before: dict[tuple[int, ...], _Entry] = {}

    def turn(self) -> None:
        """Begin a new push: forget what the last one did not ask for."""
        self._before, self._now = self._now, {}
        self._joined_before, self._joined = self._joined, {}
        self._texts_before, self._texts = self._texts, {}

    def layer(self, kind: str, resources: Mapping[str, Object]) -> Layer:
        """All resources of a mapping; the same mapping gives the same layer."""
        encoded: Layer = self._entries([resources], lambda _: self._layer(kind, resources))[0].value
        return encoded

    def joined(self, layers: Sequence[Mapping[str, bytes]]) -> Mapping[str, bytes]:
        """Several layers as one mapping, the later ones first; the same layers give the same mapping."""
        key = tuple(map(id, layers))
        entry = self._joined.get(key) or self._joined_before.get(key)
        if entry is None:
            entry = _Entry(tuple(layers), dict(chain.from_iterable(layer.items() for layer in layers)))
        self._joined[key] = entry
        merged: Mapping[str, bytes] = entry.value
        return merged

    def _entries(self, objects: Sequence[Any], make: Callable[[Any], _Entry]) -> list[_Entry]:
        """The entry of every object, in a few steps of Python for those that are known."""
        keys = list(map(id, objects))
        now, before = self._now, self._before
        cached = [now.get(key) or before.get(key) for key in keys]
        entries = [entry or make(obj) for entry, obj in zip(cached, objects, strict=True)]
        for key, entry in zip(keys, entries, strict=True):
            if entry.parts and key not in now:
                now.update(entry.parts)
        now.update(zip(keys, entries, strict=True))
        return entries

    def _layer(self, kind: str, resources: Mapping[str, Object]) -> _Entry:
        entries = self._entries(list(resources.values()), lambda resource: self._resource(kind, resource))
        parts: dict[int, _Entry] = {id(entry.object): entry for entry in entries}
        for entry in entries:
            parts.update(entry.parts)
        named = list(zip(resources, (entry.value for entry in entries), strict=True))
        encoded = {name: value for name, value in named if isinstance(value, bytes)}
        faults = {name: value for name, value in named if not isinstance(value, bytes)}
        return _Entry(resources, Layer(encoded, faults), parts)

    def _resource(self, kind: str, resource: Object) -> _Entry:
        """The bytes of a resource; the text of the fault where Envoy's API has no such thing."""
        try:
            if kind == "routes" and resource.get(messages.HOSTS):
                return self._table(resource)
            return _Entry(resource, self._plain(kind, resource))
        except json_format.ParseError as e:
            return _Entry(resource, str(e))

    def _plain(self, kind: str, resource: Object) -> bytes:
        # Reading JSON text is ten times cheaper than building a message, and most resources say what they said.
        key = kind.encode() + orjson.dumps(resource)
        encoded = self._texts.get(key) or self._texts_before.get(key)
        if encoded is None:
            data = messages.encoded(kind, resource)
            encoded = session.Versioned(data, session.version_of(data))
        self._texts[key] = encoded
        return encoded

    def _table(self, resource: Object) -> _Entry:
        """A route configuration from virtual hosts that are encoded one by one: most of a thousand have not changed."""
        hosts = resource[messages.HOSTS]
        ends = id(hosts[0]), id(hosts[-1])
        before = next((entry for key in ends if (entry := self._now.get(key) or self._before.get(key))), None)
        try:
            encoded = self._hosts(hosts, before)
        except json_format.ParseError:
            # The error of the whole says which host of which table it is.
            return _Entry(resource, messages.encoded("routes", resource))
        rest = messages.encoded("routes", {k: v for k, v in resource.items() if k != messages.HOSTS})
        version = session.version_of(rest + "".join([host.version for host in encoded]).encode())
        table = session.Versioned(b"".join([rest, *encoded]), version)
        # The table that follows this one begins or ends with the same host.
        return _Entry(resource, table, dict.fromkeys(ends, _Entry(hosts, encoded)))

    def _hosts(self, hosts: Sequence[Object], before: _Entry | None) -> list[session.Versioned]:
        """The bytes of each host; ``before`` has those of an earlier table."""
        if before is None:
            return list(map(self._host, hosts))
        changed = list(compress(count(), map(operator.is_not, before.object, hosts)))
        if len(before.object) == len(hosts) and len(changed) <= 1:
            encoded: list[session.Versioned] = list(before.value)
            for at in changed:
                encoded[at] = self._host(hosts[at])
            return encoded
        by_identity = dict(zip(map(id, before.object), before.value, strict=True))
        return [by_identity.get(id(host)) or self._host(host) for host in hosts]

    def _host(self, host: Object) -> session.Versioned:
        data = self._encode_host(host)
        return session.Versioned(data, session.version_of(data))
