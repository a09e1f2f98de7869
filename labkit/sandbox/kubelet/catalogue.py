"""The catalogue: which local program stands for a container image."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.sandbox import apps

_SOURCES = ("labkit.sandbox.apps", "labkit.sandbox.xds.programs")
"""Modules with a table ``PROGRAMS``: image name → (entry, commands)."""


ALONE = frozenset({"pilot"})
"""Programs that run once, and load what no other does: loaded before the fork, the pages that they change would stay
in the launcher as a second copy (10 MB), for a third of a second less at their start."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a container of one image runs."""

    name: str
    entry: str
    """``package.module:function``, called as ``main(argv, env) -> exit code``."""

    user: int | str = 0
    """Whom the image runs as: a number, or a name whose number the kubelet cannot tell."""

    commands: Mapping[str, str]
    """Entries by the first word of a command, for ``exec`` and for containers that say ``command:``."""

    def run(self, argv: Sequence[str]) -> str:
        """The entry for a container's whole command line."""
        return self.command(argv[0]) or self.entry if argv else self.entry

    def command(self, word: str) -> str | None:
        """The entry of a command given with or without its folder."""
        return self.commands.get(word.rpartition("/")[2])


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Programs by image name."""

    programs: Mapping[str, Program]

    def find(self, image: str) -> Program | None:
        """The program of an image, whatever its registry, tag and digest."""
        return self.programs.get(image_name(image))

    def refusal(self, image: str) -> str:
        """Why an image cannot be had, with what there is."""
        there = ", ".join(sorted(self.programs))
        return (
            f'failed to pull image "{image}": the sandbox runs local programs instead of images, '
            f"and {image_name(image)!r} is not in its catalogue: {there}"
        )

    @property
    def modules(self) -> list[str]:
        """Everything a launcher should have loaded before its first fork: what several containers share."""
        many = [p for p in self.programs.values() if p.name not in ALONE]
        entries = [e for p in many for e in (p.entry, *p.commands.values())]
        return sorted({entry.partition(":")[0] for entry in entries})


def image_name(image: str) -> str:
    """``docker.io/istio/proxyv2:1.31.1`` and ``proxyv2@sha256:…`` give ``proxyv2``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def load() -> Catalogue:
    """The catalogue of this installation."""
    programs: dict[str, Program] = {}
    for source in _SOURCES:
        if importlib.util.find_spec(source):
            table = importlib.import_module(source).PROGRAMS
            for name, (entry, commands) in table.items():
                programs[name] = Program(name=name, entry=entry, commands=dict(commands))
    return Catalogue(programs=programs)


def write_commands(program: Program, folder: Path) -> None:
    """Put the program's own commands into a folder for PATH, so that a shell finds them too.

    The machine's programs are left out: PATH leads to them anyway.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for word, entry in program.commands.items():
        if entry == apps.SYSTEM:
            continue
        script = folder / word
        run = f'exec "{sys.executable}" -m labkit.sandbox.kubelet.command {entry} {word} "$@"'
        draft = folder / f".{word}"
        draft.write_text(f"#!/bin/sh\n{run}\n")
        draft.chmod(0o755)
        draft.replace(script)
