"""The images of a class on a stick: saved for one platform, each in a file, and loaded into a kind cluster.

Saving says ``--platform``: where Docker keeps images in containerd's store, an image saved without it names platforms
that are not there, and kind cannot load it (kubernetes-sigs/kind#3795).
"""

import hashlib
import json
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.base import errors, settings, versions
from labkit.clusters import commands, engine, failures, tools

TIMEOUT = 1800.0
"""Seconds for one image; a slow line takes minutes for the largest."""

INDEX = "images.json"
UNKNOWN_MB = 60
OnStep = Callable[[str], None]

_IMAGE = re.compile(r"\bimage: *[\"']?([^\s\"'}]+)")


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image that the course needs."""

    name: str
    mb: int
    """About the size of its compressed layers, in MB."""

    is_node: bool = False
    """Whether it is the image of kind's node, which Docker itself has to know."""

    @property
    def file(self) -> str:
        """Its file on a stick."""
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", self.name.partition("@")[0])
        return f"{plain}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}.tar"


def needed(kind_version: str = "") -> list[Image]:
    """Every image: the node's, Istio's, and those of the lessons' manifests."""
    pinned = versions.pinned()
    sizes = {versions.filled(entry["name"]): int(entry["mb"]) for entry in pinned["images"]}
    node = versions.node_image(kind_version or pinned["tools"]["kind"]["version"])
    names = dict.fromkeys([*sizes, *sorted(set(_of_manifests()))])
    images = [Image(name=name, mb=sizes.get(name, UNKNOWN_MB)) for name in names]
    return [*([Image(name=node, mb=int(pinned["node_image_mb"]), is_node=True)] if node else []), *images]


def _of_manifests() -> Iterator[str]:
    for file in sorted((settings.CHECKOUT / "notebooks" / "manifests").glob("*.yaml")):
        yield from _IMAGE.findall(file.read_text(encoding="utf-8"))


def save(
    machine: commands.Commands, folder: Path, images: Iterable[Image], *, on_step: OnStep = lambda _: None
) -> list[str]:
    """Pull and save each image that the folder does not have yet; the names of those that were new."""
    folder.mkdir(parents=True, exist_ok=True)
    target = f"linux/{tools.MACHINES.get(platform.machine().lower(), 'amd64')}"
    index, new = read_index(folder), []
    for image in images:
        if is_saved(folder, image, index):
            continue
        on_step(f"{image.name} ({target})")
        file, draft = folder / image.file, folder / f"{image.file}.part"
        # An image that is saved by its digest has no name when it is loaded, so the node's is saved by its tag.
        tag = image.name.partition("@")[0]
        tagging = [[engine.program(), "tag", image.name, tag]] if tag != image.name else []
        for words in (
            [engine.program(), "pull", "--platform", target, image.name],
            *tagging,
            engine.save_words(tag, platform=target, file=str(draft)),
        ):
            done = machine.run(words, timeout=TIMEOUT)
            if done.code:
                draft.unlink(missing_ok=True)
                raise _failure(words, image, done.err)
        draft.replace(file)
        index[image.name] = {"file": image.file, "bytes": file.stat().st_size, "platform": target}
        (folder / INDEX).write_text(json.dumps(index, indent=1))
        new.append(image.name)
    return new


def load(
    machine: commands.Commands, folder: Path, *, cluster: str | None, on_step: OnStep = lambda _: None
) -> list[str]:
    """Load the images of a folder: the node's into Docker, the others into the kind cluster, if there is one yet."""
    index = read_index(folder)
    if not index:
        raise errors.SetupError(
            f"{folder} holds no images of the kit ({INDEX} is missing).",
            next_step=f"on a machine with network: ./lab images save {folder}",
        )
    here = f"linux/{tools.MACHINES.get(platform.machine().lower(), 'amd64')}"
    loaded = []
    for name, entry in index.items():
        if entry["platform"] != here:
            raise errors.SetupError(
                f"The images in {folder} are for {entry['platform']}, and this machine needs {here}.",
                next_step="save them on a machine of the same kind",
            )
        is_node = name.startswith("kindest/")
        if not is_node and cluster is None:
            continue
        on_step(name)
        for words in _loading(folder / str(entry["file"]), name, cluster, is_node=is_node):
            done = machine.run(words, timeout=TIMEOUT)
            if done.code:
                raise failures.failure(f"{name} could not be loaded", done)
        loaded.append(name)
    return loaded


def _loading(file: Path, name: str, cluster: str | None, *, is_node: bool) -> list[list[str]]:
    if not is_node:
        return [["kind", "load", "image-archive", str(file), "--name", str(cluster)]]
    return [[engine.program(), "load", "--input", str(file)]]


def read_index(folder: Path) -> dict[str, dict[str, object]]:
    """What a folder holds, by image; empty where it holds none."""
    try:
        index: dict[str, dict[str, object]] = json.loads((folder / INDEX).read_text())
    except (OSError, ValueError):
        return {}
    return index


def is_saved(folder: Path, image: Image, index: dict[str, dict[str, object]]) -> bool:
    """Whether the folder has the whole image."""
    entry, file = index.get(image.name), folder / image.file
    return entry is not None and file.is_file() and file.stat().st_size == entry["bytes"]


def _failure(words: list[str], image: Image, output: str) -> errors.SetupError:
    if "unknown flag: --platform" in output or "requires API version" in output:
        return errors.SetupError(
            f"This Docker cannot save one platform of {image.name}.", next_step="update Docker to 28 or newer"
        )
    problem = (output.strip().splitlines() or ["it said nothing"])[-1]
    step = failures.mend(output) or "try again"
    if "toomanyrequests" in output:
        step = "docker login, or wait: Docker Hub limits pulls by address"
    return errors.SetupError(f"{' '.join(words[:2])} {image.name}: {problem}", next_step=step)
