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

SHORT = 30.0
"""Seconds for a question to the engine or to the node."""

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
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", tag_of(self.name))
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
    target = _platform()
    index, new = read_index(folder), []
    for image in images:
        if is_saved(folder, image, index):
            continue
        on_step(f"{image.name} ({target})")
        file, draft = folder / image.file, folder / f"{image.file}.part"
        full, tag = engine.full_name(image.name), engine.full_name(tag_of(image.name))
        tagging = [[engine.program(), "tag", full, tag]] if tag != full else []
        for words in (
            [engine.program(), "pull", "--platform", target, full],
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
    """Load the images of a folder: the node's into Docker, the others into the kind cluster, if there is one yet.

    The names of those that were new: what is there already is not loaded again, so an interrupted load goes on.
    """
    index = _required_index(folder)
    present = _in_node(machine, cluster) if cluster else set()
    waiting = {name: entry for name, entry in index.items() if _is_for(name, cluster, present)}
    missing = {n: e for n, e in waiting.items() if not _is_node(n) or not engine.has(machine, tag_of(n))}
    on_step(f"{len(missing)} images to load, {sum(int(str(e['bytes'])) for e in missing.values()) / 1e6:.0f} MB")
    for name, entry in missing.items():
        on_step(name)
        done = machine.run(_loading(folder / str(entry["file"]), name, cluster), timeout=TIMEOUT)
        if done.code:
            raise failures.failure(f"{name} could not be loaded", done)
    return list(missing)


def _required_index(folder: Path) -> dict[str, dict[str, object]]:
    """What a folder holds; SetupError where that is nothing, or for another kind of machine."""
    index = read_index(folder)
    if not index:
        raise errors.SetupError(
            f"{folder} holds no images of the kit ({INDEX} is missing).",
            next_step=f"on a machine with network: ./lab images save {folder}",
        )
    for entry in index.values():
        if entry["platform"] != _platform():
            raise errors.SetupError(
                f"The images in {folder} are for {entry['platform']}, and this machine needs {_platform()}.",
                next_step="save them on a machine of the same kind",
            )
    return index


def _is_for(name: str, cluster: str | None, present: set[str]) -> bool:
    """Whether an image is to be loaded now: the node's for the engine, any other one for a cluster without it."""
    return _is_node(name) or (cluster is not None and name not in present)


def _in_node(machine: commands.Commands, cluster: str) -> set[str]:
    """The images that the node of a kind cluster has; none where it cannot say."""
    words = [engine.program(), "exec", f"{cluster}-control-plane", "ctr", "--namespace", "k8s.io", "images", "ls", "-q"]
    done = machine.run(words, timeout=SHORT)
    return {line.strip() for line in done.out.splitlines()} if done.code == 0 else set()


def _is_node(name: str) -> bool:
    return name.startswith("kindest/")


def _platform() -> str:
    return f"linux/{tools.MACHINES.get(platform.machine().lower(), 'amd64')}"


def tag_of(name: str) -> str:
    """An image's name without its digest: an image that is saved by its digest has no name when it is loaded."""
    return name.partition("@")[0]


def _loading(file: Path, name: str, cluster: str | None) -> list[str]:
    if _is_node(name):
        return [engine.program(), "load", "--input", str(file)]
    return ["kind", "load", "image-archive", str(file), "--name", str(cluster)]


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
