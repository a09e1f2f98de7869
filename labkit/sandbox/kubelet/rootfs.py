"""What a container sees as its file system, as a plain record: its own root, parts of the machine, its volumes."""

import os
import site
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labkit.base import settings

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix")
"""Entries of the machine's ``/`` that hold its programs; shown read-only, links as links."""

SETTINGS = (
    "alternatives", "ca-certificates", "crypto-policies", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "mime.types", "os-release", "pki", "protocols", "services", "ssl",
)  # fmt: skip
"""Entries of the machine's ``/etc`` that its programs need; the rest of a container's ``/etc`` is its own."""

DEVICES = ("full", "null", "random", "tty", "urandom", "zero")

OWN = ("/tmp", "/root", "/home", "/var/tmp", "/run", "/opt", "/etc", "/dev")
"""Folders that every container has for itself."""

PROCESSORS = "/sys/devices/system"
"""Envoy's memory allocator reads the processors there."""


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A file or folder of the machine, shown at a path of the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A symbolic link of the container."""

    path: str
    to: str


@dataclass(frozen=True, kw_only=True)
class Rootfs:
    """A container's view, in the order in which it is built."""

    folder: str
    """An empty folder of the machine where ``/`` is mounted, from memory: it is gone with the container."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of files of the container's own, by path."""

    machine: tuple[Bind, ...] = ()
    """Parts of the machine, read-only but for devices."""

    links: tuple[Link, ...] = ()
    volumes: tuple[Bind, ...] = ()
    """The pod's, outer ones before those inside them."""

    folders: tuple[str, ...] = ()
    """Further folders that must be there, such as the working directory."""

    host_name: str = ""
    read_only: bool = False
    """Whether the container's own root cannot be written (``readOnlyRootFilesystem``)."""

    uid: int = 0
    gid: int = 0
    has_user_namespace: bool = True
    """Whether ``uid`` is a name for our own user, in a user namespace; else the process stays what we are."""

    capabilities: tuple[int, ...] = field(default=())
    """Those that root keeps."""

    gains_privileges: bool = True
    """``allowPrivilegeEscalation``."""

    def frame(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def of(cls, frame: Mapping[str, Any]) -> "Rootfs":
        """From a frame."""
        parts = {
            "machine": tuple(Bind(**bind) for bind in frame["machine"]),
            "volumes": tuple(Bind(**bind) for bind in frame["volumes"]),
            "folders": tuple(frame["folders"]),
            "links": tuple(Link(**link) for link in frame["links"]),
            "capabilities": tuple(frame["capabilities"]),
        }
        return cls(**{**frame, **parts})


def machine() -> list[str]:
    """Absolute paths of the machine that every container sees: programs, their settings, Python and this package."""
    paths = [f"/{name}" for name in SYSTEM]
    paths += [f"/etc/{name}" for name in SETTINGS]
    paths += [f"/dev/{name}" for name in DEVICES]
    python = [sys.prefix, sys.base_prefix, site.getusersitepackages(), str(settings.CHECKOUT / "labkit")]
    # One that is a link is a link in the container too, so what it leads to must be there.
    paths += [PROCESSORS, *python, *map(os.path.realpath, python)]
    return _outermost([p for p in paths if os.path.lexists(p)])


def _outermost(paths: Sequence[str]) -> list[str]:
    """Without those that lie below another."""
    real = [p for p in paths if not Path(p).is_symlink()]
    return [p for p in dict.fromkeys(paths) if not any(is_below(p, other) for other in real)]


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` lies somewhere inside ``folder``."""
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def shown(paths: Sequence[str], targets: Sequence[str], own: Sequence[str] = ()) -> Iterator[Bind | Link]:
    """The machine's paths, read-only, cut open where a target of the container lies inside one and has no place there.

    A volume at ``/usr/share/nginx/html`` needs a folder that the machine's ``/usr/share`` may lack. What the container
    must have as its ``own`` is cut out even if the machine has it.
    """
    hidden = [*targets, *own]
    for path in paths:
        entry = Path(path)
        if entry.is_symlink() and not path.startswith("/etc/"):
            yield Link(path=path, to=str(entry.readlink()))
            continue
        missing = [t for t in targets if is_below(t, path) and not Path(t).exists()]
        owned = [t for t in own if is_below(t, path)]
        if (missing or owned) and entry.is_dir():
            children = sorted(str(child) for child in entry.iterdir() if str(child) not in hidden)
            yield from shown(children, missing, owned)
        else:
            yield Bind(source=path, target=path, read_only=not path.startswith("/dev/"))
