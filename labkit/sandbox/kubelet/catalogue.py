"""The catalogue: which local program stands for a container image, and what a pull of any other answers."""

import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from labkit.sandbox import apps
from labkit.sandbox.kubelet import references
from labkit.sandbox.proxy import programs as istio

FILE = Path(__file__).with_name("images.yaml")

OWN = "images.yaml"
"""A user's own images, in the lab's folder."""

COMMANDS: Mapping[str, Mapping[str, str]] = {"apps": apps.COMMANDS, "istio": istio.COMMANDS}
"""Sets of commands that images bring, by name: entries by the command's first word."""

ALONE = frozenset({"pilot", "install-cni", "prometheus", "jaeger", "all-in-one", "ratelimit"})
"""Programs that run once, and load what no other does: loaded before the fork, the pages that they change would stay
in the launcher as a second copy (10 MB), for a third of a second less at their start."""

_FIELDS = frozenset({"images", "tags", "entry", "run", "names", "user", "commands", "folder", "owns", "sees"})
_MANY = re.compile(r"(.*\D|)(\d+)-(\d+)")


class CatalogueError(Exception):
    """An entry that says nothing usable; the text names it."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a container of one image runs."""

    name: str
    """The last part of the repository."""

    entry: str = ""
    """``package.module:function``, called as ``main(argv, env) -> exit code``; empty for a program of the machine."""

    prefix: Sequence[str] = ()
    """The command line of the machine's program."""

    names: frozenset[str] = frozenset()
    """What a container's ``command`` calls the image's own program."""

    user: int | str = 0
    """Whom the image runs as: a number, or a name whose number the kubelet cannot tell."""

    kit: str = "apps"
    """The set of commands for ``exec`` and for containers that say ``command:``, a key of ``COMMANDS``."""

    folder: str = ""
    """A folder of the machine that the container sees and begins in."""

    owns: Sequence[str] = ()
    """Folders that the image brings, the container's to write."""

    sees_pods: bool = False
    """Whether the container sees the folders of all pods of its node."""

    def command(self, word: str) -> str | None:
        """The entry of a command given with or without its folder."""
        return COMMANDS[self.kit].get(word.rpartition("/")[2])

    def run(self, command: Sequence[str], args: Sequence[str]) -> tuple[str, list[str]]:
        """Entry and argv for a container's ``command`` (which replaces the image's program) and ``args``."""
        words = [*command, *args]
        if entry := words and self.command(words[0]):
            return entry, words
        if command and command[0].rpartition("/")[2] not in self.names:
            return "", words
        return self.entry, words if self.entry else [*self.prefix, *(args if command else words)]


@dataclass(frozen=True, kw_only=True)
class Image:
    """One repository."""

    program: Program
    tags: frozenset[str] = frozenset()
    """Those that exist; none for a user's own image, which has any."""

    def has(self, reference: references.Reference) -> bool:
        """Whether this tag exists. Digests cannot be told from here: any well-formed one does."""
        return not reference.tag or not self.tags or reference.tag in self.tags


class PullError(Exception):
    """A pull that fails; the text is what the runtime says."""


class InvalidNameError(PullError):
    """A name that cannot be pulled at all."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Images by repository."""

    images: Mapping[str, Image]
    problem: str = ""
    """What is wrong with the user's own file, for whoever misses an image of it."""

    def pull(self, image: str) -> Program:
        """The program of an image; PullError as text."""
        try:
            reference = references.parse(image)
        except references.UnreadableError as e:
            raise InvalidNameError(
                f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {e}'
            ) from e
        entry = self.images.get(reference.repository)
        if entry is None:
            raise PullError(self._no_image(reference))
        if not entry.has(reference):
            raise PullError(_no_tag(reference, entry))
        return entry.program

    def find(self, image: str) -> Program | None:
        """The program of an image that can be pulled."""
        try:
            return self.pull(image)
        except PullError:
            return None

    def _no_image(self, reference: references.Reference) -> str:
        registries = {repository.partition("/")[0] for repository in self.images}
        if reference.registry in registries:
            why = "pull access denied, repository does not exist or may require authorization"
        else:
            why = f"dial tcp: lookup {reference.registry}: no such host"
        there = ", ".join(sorted({image.program.name for image in self.images.values()}))
        own = self.problem or f"a line in {OWN} of the lab's folder adds one"
        return (
            f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": {why} '
            f"(the sandbox runs local programs instead of images; its catalogue has {there}; {own})"
        )

    @cached_property
    def programs(self) -> list[Program]:
        """Every program once."""
        return list({id(image.program): image.program for image in self.images.values()}.values())

    @property
    def modules(self) -> list[str]:
        """Everything a launcher should have loaded before its first fork: what several containers share."""
        many = [p for p in self.programs if p.name not in ALONE]
        entries = [*(p.entry for p in many if p.entry), *(e for kit in COMMANDS.values() for e in kit.values())]
        return sorted({entry.partition(":")[0] for entry in entries})


def _no_tag(reference: references.Reference, image: Image) -> str:
    plain = [tag for tag in sorted(image.tags, key=_in_order) if "-" not in tag.strip("-")]
    there = ", ".join(plain if len(plain) <= 12 else [*plain[:2], "…", *plain[-9:]])
    return (
        f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": '
        f"{reference}: not found (of {reference.repository} the sandbox's catalogue has the tags {there})"
    )


def _in_order(tag: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", tag) if part]


def expanded(tags: str) -> frozenset[str]:
    """``"1.0.0-2 edge +alpine"`` gives 1.0.0, 1.0.1, 1.0.2 and edge, and each of them with ``-alpine``."""
    words = tags.split()
    plain = {tag for word in words if not word.startswith("+") for tag in _counted(word)}
    kinds = [word[1:] for word in words if word.startswith("+")]
    named = {"latest", *kinds}
    return frozenset(plain | {f"{tag}-{kind}" for tag, kind in itertools.product(plain - named, kinds)})


def _counted(word: str) -> Iterator[str]:
    match = _MANY.fullmatch(word)
    if match and "." in match[1]:
        yield from (f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1))
    else:
        yield word


def images_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Image]]:
    """Repositories of a catalogue file with their mirrors; CatalogueError naming an entry that is wrong."""
    mirrors = document.get("mirrors") or {}
    for entry in document.get("images") or []:
        if not isinstance(entry, dict) or not entry.get("images") or entry.keys() - _FIELDS:
            raise CatalogueError(
                f"{entry!r} must have images and entry or run, and no other keys than {sorted(_FIELDS)}"
            )
        if entry.get("commands", "apps") not in COMMANDS:
            raise CatalogueError(f"{entry['images']}: commands must be one of {sorted(COMMANDS)}")
        if bool(entry.get("entry")) == bool(entry.get("run")):
            raise CatalogueError(f"{entry['images']} needs either entry or run")
        tags = expanded(str(entry.get("tags") or ""))
        for name in entry["images"]:
            try:
                repository = references.parse(name).repository
            except references.UnreadableError as e:
                raise CatalogueError(f"{name!r}: {e}") from e
            image = Image(program=_program(entry, repository), tags=tags)
            yield repository, image
            folder, _, last = repository.rpartition("/")
            yield from ((f"{mirror}/{last}", image) for mirror in mirrors.get(folder, []))


def _program(entry: Mapping[str, Any], repository: str) -> Program:
    name = repository.rpartition("/")[2]
    return Program(
        name=name,
        entry=entry.get("entry") or "",
        prefix=[str(word) for word in entry.get("run") or []],
        names=frozenset({name, *(entry.get("names") or [])}),
        user=entry.get("user", 0),
        kit=entry.get("commands") or "apps",
        folder=entry.get("folder") or "",
        owns=tuple(entry.get("owns") or ()),
        sees_pods=entry.get("sees") == "pods",
    )


def load(home: Path | None = None) -> Catalogue:
    """The sandbox's catalogue, and a user's own in ``home`` over it."""
    builtin = Catalogue(images=dict(images_of(yaml.safe_load(FILE.read_text()))))
    own = home / OWN if home else None
    if own is None or not own.exists():
        return builtin
    try:
        return replace(builtin, images={**builtin.images, **dict(images_of(yaml.safe_load(own.read_text()) or {}))})
    except (CatalogueError, yaml.YAMLError, OSError, AttributeError, KeyError) as e:
        return replace(builtin, problem=f"{own} is not used: {e}")


def write_commands(kit: str, folder: Path) -> None:
    """Put a set of commands into a folder for PATH, so that a shell finds them too.

    The machine's programs are left out: PATH leads to them anyway.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for word, entry in COMMANDS[kit].items():
        script = folder / word
        if entry in apps.MACHINES:
            script.unlink(missing_ok=True)
            continue
        run = f'exec "{sys.executable}" -m labkit.sandbox.kubelet.command {entry} {word} "$@"'
        draft = folder / f".{word}"
        draft.write_text(f"#!/bin/sh\n{run}\n")
        draft.chmod(0o755)
        draft.replace(script)
