"""From caches to encoded resources: one compilation for all proxies, every resource encoded once."""

import orjson

from labkit.kube.resources import Object
from labkit.mesh import model, translate
from labkit.sandbox.xds import identities, messages

KINDS = ("clusters", "endpoints", "listeners", "extensions", "routes")


class Publication:
    """What every proxy should have now."""

    def __init__(self, secrets: identities.Identities) -> None:
        self._secrets = secrets
        self._index: translate.Index | None = None
        self._encoded: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()

    def renew(self, objects: dict[str, list[Object]], mesh_config: Object) -> None:
        """Compile a new snapshot; encodings that nothing used since the last one are dropped."""
        snapshot = model.Snapshot(objects=objects, mesh_config=mesh_config)
        self._index = translate.index(snapshot, self._index)
        self._encoded = {key: self._encoded[key] for key in self._used}
        self._used = set()

    def resources_for(self, proxy: model.Proxy) -> dict[str, dict[str, bytes]]:
        """Kind → name → bytes for one proxy; nothing before the first snapshot."""
        if self._index is None:
            return {}
        config = self._index.for_proxy(proxy)
        found = {
            kind: {name: self._bytes(kind, resource) for name, resource in getattr(config, kind).items()}
            for kind in KINDS
        }
        found["secrets"] = dict(self._secrets.secrets(proxy))
        return found

    def _bytes(self, kind: str, resource: Object) -> bytes:
        # Reading JSON text is ten times cheaper than building a message, and most resources do not change.
        key = kind.encode() + orjson.dumps(resource)
        if key not in self._encoded:
            self._encoded[key] = messages.encoded(kind, resource)
        self._used.add(key)
        return self._encoded[key]
