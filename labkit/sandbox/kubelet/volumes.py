"""Volumes of a pod: what files they hold (pure), and writing them so that a reader never sees half."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import sources

PRIVATE = 0o600
"""Mode of everything secret, whatever the pod asks for: here it lies on the user's own disk."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a volume."""

    data: bytes
    mode: int = 0o644


Files = Mapping[str, File]
"""By path below the volume."""

TokenKey = tuple[str, int]
"""Audience (empty: the API server's) and seconds of life."""

WRITTEN = ("configMap", "secret", "projected", "downwardAPI")


def tokens(volumes: Sequence[Object]) -> set[TokenKey]:
    """The service account tokens that volumes need."""
    return {
        token_key(source["serviceAccountToken"])
        for volume in volumes
        for source in (volume.get("projected") or {}).get("sources") or []
        if "serviceAccountToken" in source
    }


def token_key(source: Mapping[str, Any]) -> TokenKey:
    """What distinguishes one token of a pod from another."""
    return source.get("audience", ""), int(source.get("expirationSeconds") or 3600)


def files(
    pod: Object, volume: Object, lookup: sources.Lookup, tokens: Mapping[TokenKey, str]
) -> dict[str, File] | None:
    """The volume's files; None for a volume that the kubelet does not write (emptyDir). MissingError as text."""
    kind = next((k for k in volume if k != "name"), "emptyDir")
    if kind == "emptyDir":
        return None
    if kind not in WRITTEN:
        raise sources.MissingError(
            f"a {kind} volume reaches outside the pod, which the sandbox refuses: "
            "use emptyDir, configMap, secret, projected or downwardAPI, or a real cluster"
        )
    source = volume[kind]
    if kind == "projected":
        mode = source.get("defaultMode", 0o644)
        parts = (_part(pod, s, lookup, tokens, mode) for s in source.get("sources") or [])
        return {path: file for part in parts for path, file in part.items()}
    return _part(pod, {kind: source}, lookup, tokens, source.get("defaultMode", 0o644))


def _part(
    pod: Object, source: Object, lookup: sources.Lookup, tokens: Mapping[TokenKey, str], mode: int
) -> dict[str, File]:
    (kind, ref) = next(iter(source.items()))
    if kind == "serviceAccountToken":
        return {ref["path"]: File(data=tokens[token_key(ref)].encode(), mode=PRIVATE)}
    if kind == "downwardAPI":
        return {item["path"]: _downward(pod, item, mode) for item in ref.get("items") or []}
    if kind == "configMap":
        return _keys("ConfigMap", ref, ref["name"], lookup, mode)
    if kind == "secret":
        name = ref.get("secretName") or ref.get("name")
        return {p: File(data=f.data, mode=PRIVATE) for p, f in _keys("Secret", ref, name, lookup, mode).items()}
    raise sources.MissingError(f"the sandbox has no projected source {kind}")


def _downward(pod: Object, item: Object, mode: int) -> File:
    if "fieldRef" in item:
        text = sources.field(pod, item["fieldRef"]["fieldPath"])
    else:
        ref = item["resourceFieldRef"]
        text = sources.resource_field(
            next((c for c in pod["spec"]["containers"] if c["name"] == ref.get("containerName")), {}), ref
        )
    return File(data=text.encode(), mode=item.get("mode", mode))


def _keys(kind: str, ref: Mapping[str, Any], name: str, lookup: sources.Lookup, mode: int) -> dict[str, File]:
    data = sources.find(lookup, kind, ref, name)
    if data is None:
        return {}
    if not ref.get("items"):
        return {key: File(data=value, mode=mode) for key, value in data.items()}
    chosen = {}
    for item in ref["items"]:
        if item["key"] in data:
            chosen[item["path"]] = File(data=data[item["key"]], mode=item.get("mode", mode))
        elif not ref.get("optional"):
            raise sources.MissingError(f"references non-existent {kind.lower()} key: {item['key']}")
    return chosen


def references(volumes: Sequence[Object]) -> Iterator[tuple[str, str]]:
    """ConfigMaps and Secrets that volumes show: ``("ConfigMap", name)``."""
    for volume in volumes:
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            if ref := source.get("configMap"):
                yield "ConfigMap", ref["name"]
            if ref := source.get("secret"):
                yield "Secret", ref.get("secretName") or ref.get("name")


def write(folder: Path, content: Files) -> None:
    """Make the volume hold exactly ``content``, all of it from one moment to the next.

    As the real kubelet: every name is a link into ``..data``, itself a link that is replaced at once.
    """
    for path in content:
        if path.startswith("/") or ".." in path.split("/"):
            raise sources.MissingError(f"{path!r} is not a path below the volume")
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "..data"
    previous = data.readlink() if data.is_symlink() else None
    new = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    for path, file in content.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, file.mode)
        with os.fdopen(fd, "wb") as opened:
            opened.write(file.data)
    swap = folder / "..data_new"
    # One is there if the kubelet was killed between these two steps.
    swap.unlink(missing_ok=True)
    swap.symlink_to(new.name)
    swap.replace(data)
    _link(folder, {path.partition("/")[0] for path in content})
    # A program that shares our files may have turned the link to anywhere.
    if previous and len(previous.parts) == 1 and previous.name.startswith("..") and previous.name != "..":
        shutil.rmtree(folder / previous, ignore_errors=True)


def _link(folder: Path, names: set[str]) -> None:
    there = {entry.name for entry in folder.iterdir() if entry.is_symlink() and _is_ours(entry)}
    for name in there - names:
        (folder / name).unlink()
    for name in names - there:
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(f"..data/{name}")


def _is_ours(entry: Path) -> bool:
    return entry.name != "..data" and str(entry.readlink()).startswith("..data/")
