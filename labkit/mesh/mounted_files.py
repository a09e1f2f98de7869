"""Files that a proxy's container shows from Secrets and ConfigMaps: what ``file-cert:`` and ``file-root:`` name."""

import base64
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.model import Snapshot

PROXY = "istio-proxy"
Lookup = Callable[[str, str], Object | None]
"""``("Secret" or "ConfigMap", name)`` → the object of the pod's namespace."""


class Files:
    """Of one proxy, looked up when the first is asked for."""

    def __init__(self, snapshot: Snapshot, namespace: str, pod: str) -> None:
        self._snapshot, self._namespace, self._pod = snapshot, namespace, pod

    def source(self, path: str) -> Mapping[str, str]:
        """Envoy's DataSource of a file: its bytes, or the path below a volume that Envoy reads itself; else nothing."""
        if path in self._files:
            return {"inline_bytes": self._files[path]}
        is_inside = any(path.startswith(f"{place}/") for place in self._unwritten)
        return {"filename": path} if is_inside else {}

    @cached_property
    def _own(self) -> Object | None:
        pods = (p for p in self._snapshot.of("pods") if resources.namespace_of(p) == self._namespace)
        return next((p for p in pods if resources.name_of(p) == self._pod), None)

    @cached_property
    def _files(self) -> dict[str, str]:
        return dict(of_pod(self._own, self._object)) if self._own else {}

    @cached_property
    def _unwritten(self) -> list[str]:
        """Where volumes are mounted whose files a program of the pod writes."""
        if self._own is None:
            return []
        volumes = {v["name"]: v for v in self._own["spec"].get("volumes") or ()}
        return [place for place, mount in _mounts(self._own) if "emptyDir" in volumes.get(mount["name"], {})]

    def _object(self, kind: str, name: str) -> Object | None:
        objects = self._snapshot.of({"Secret": "secrets", "ConfigMap": "configmaps"}[kind])
        key = self._namespace, name
        return next((o for o in objects if (resources.namespace_of(o), resources.name_of(o)) == key), None)


def of_pod(pod: Object, lookup: Lookup) -> Iterator[tuple[str, str]]:
    """Path and contents, in base64, of each file that the pod's proxy has by a volume."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    for place, mount in _mounts(pod):
        content = dict(_content(volumes.get(mount["name"]) or {}, lookup))
        inner = str(mount.get("subPath") or "")
        if inner:
            yield from ((place, text) for name, text in content.items() if name == inner)
        else:
            yield from ((f"{place}/{name}", text) for name, text in content.items())


def _mounts(pod: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    containers = [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]
    for container in containers:
        if container.get("name") == PROXY:
            yield from ((str(m["mountPath"]).rstrip("/"), m) for m in container.get("volumeMounts") or ())


def _content(volume: Mapping[str, Any], lookup: Lookup) -> Iterator[tuple[str, str]]:
    for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
        for kind, field, naming in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            reference = source.get(field)
            if reference:
                data = _data(lookup(kind, str(reference.get(naming) or reference.get("name") or "")) or {})
                items = reference.get("items") or [{"key": key, "path": key} for key in data]
                yield from ((item["path"], data[item["key"]]) for item in items if item["key"] in data)


def _data(obj: Mapping[str, Any]) -> Mapping[str, str]:
    if obj.get("kind") == "Secret":
        return obj.get("data") or {}
    plain = {key: base64.b64encode(str(text).encode()).decode() for key, text in (obj.get("data") or {}).items()}
    return {**plain, **(obj.get("binaryData") or {})}
