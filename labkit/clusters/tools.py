"""Programs for a real cluster, kind and istioctl among them: fetched, verified and kept in the lab."""

import os
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base import errors, settings, versions
from labkit.clusters import downloads

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program as it is published."""

    name: str
    version: str
    url: str
    sums: str
    """Where the list of SHA-256 is."""

    mb: int = 0
    """About the size of the file, in MB."""

    mirror: str = ""
    """Another place of the same file, for when the first has none."""

    member: str = ""
    """Its path in the archive; empty where the file is the program."""

    @property
    def asset(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


def names() -> list[str]:
    """Every name."""
    return list(versions.pinned()["tools"])


def published(name: str, *, system: str | None = None, machine: str | None = None) -> Tool:
    """A tool for a platform, this machine's if not another; SetupError where it is not published for that."""
    entry: Mapping[str, Any] = versions.pinned()["tools"][name]
    system, machine = (system or platform.system()).lower(), (machine or platform.machine()).lower()
    if system not in entry["os"] or machine not in MACHINES:
        raise errors.SetupError(
            f"{name} is not fetched for {system} on {machine}: the kit knows Linux and macOS on amd64 and arm64.",
            next_step=f"install {name} {entry['version']} yourself, so that it is on your PATH",
        )
    words = {"version": entry["version"], "os": entry["os"][system], "arch": MACHINES[machine]}
    return Tool(
        name=name,
        version=str(entry["version"]),
        mb=int(entry["mb"]),
        **{key: str(entry.get(key, "")).format(**words) for key in ("url", "sums", "mirror", "member")},
    )


def installed(paths: settings.Paths, tool: Tool) -> bool:
    """Whether this very version is among the lab's tools."""
    return (paths.tools / tool.name).exists() and _stamp(paths, tool).exists()


def install(
    paths: settings.Paths, tool: Tool, *, folder: Path | None = None, on_bytes: downloads.OnBytes = lambda _, __: None
) -> Path:
    """Fetch a tool, or take it from a folder, verify it and put it among the lab's tools; where it is."""
    archive = paths.tools / "downloads" / tool.asset
    if folder is None:
        fetch(tool, archive, on_bytes=on_bytes)
    else:
        archive = _of_folder(tool, folder)
    program = _unpacked(paths, tool, archive)
    for old in paths.tools.glob(f".{tool.name}-*"):
        old.unlink()
    _stamp(paths, tool).touch()
    if folder is None:
        archive.unlink()
    return program


def fetch(tool: Tool, target: Path, *, on_bytes: downloads.OnBytes = lambda _, __: None) -> str:
    """Download a tool's file as it was published; its SHA-256. The mirror is asked where the first place fails."""
    try:
        return _fetch(tool.url, tool.sums, tool.asset, target, on_bytes)
    except downloads.DownloadError:
        if not tool.mirror:
            raise
        return _fetch(tool.mirror, f"{tool.mirror}.sha256", tool.asset, target, on_bytes)


def save(tool: Tool, folder: Path, *, on_bytes: downloads.OnBytes = lambda _, __: None) -> Path:
    """Put a tool's file and its sum into a folder, for ``install`` from there; one that is whole there stays."""
    target = folder / tool.asset
    if is_saved(tool, folder):
        return target
    sha256 = fetch(tool, target, on_bytes=on_bytes)
    (folder / f"{tool.asset}.sha256").write_text(f"{sha256}  {tool.asset}\n")
    return target


def is_saved(tool: Tool, folder: Path) -> bool:
    """Whether a folder has a tool's file, as it was published."""
    try:
        _of_folder(tool, folder)
    except errors.SetupError:
        return False
    return True


def _fetch(url: str, sums: str, asset: str, target: Path, on_bytes: downloads.OnBytes) -> str:
    sha256 = downloads.sum_in(downloads.text(sums), asset, source=sums)
    downloads.file(url, target, sha256=sha256, on_bytes=on_bytes)
    return sha256


def _of_folder(tool: Tool, folder: Path) -> Path:
    archive, listing = folder / tool.asset, folder / f"{tool.asset}.sha256"
    for file in (archive, listing):
        if not file.is_file():
            raise errors.SetupError(
                f"There is no {file}.",
                next_step=f"make the folder on a machine with network: ./lab tools save {tool.name} --to {folder}",
            )
    sha256 = downloads.sum_in(listing.read_text(), tool.asset, source=str(listing))
    downloads.require(archive, sha256, source=str(archive))
    return archive


def _unpacked(paths: settings.Paths, tool: Tool, archive: Path) -> Path:
    """The program in its place, written whole before it is there at all."""
    program, draft = paths.tools / tool.name, paths.tools / f"{tool.name}.new"
    paths.tools.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not tool.member:
        shutil.copyfile(archive, draft)
    else:
        _extract(archive, tool.member, draft)
    draft.chmod(0o755)
    os.replace(draft, program)  # noqa: PTH105
    return program


def _extract(archive: Path, member: str, target: Path) -> None:
    """One member alone, whatever else the archive holds."""
    try:
        with tarfile.open(archive) as packed:
            content = packed.extractfile(member)
            if content is None:
                raise KeyError(member)
            with content, target.open("wb") as out:
                shutil.copyfileobj(content, out)
    except (tarfile.TarError, KeyError, EOFError, OSError) as e:
        raise downloads.DownloadError(
            f"{archive.name} holds no program {member}: {e}.", next_step="try again, or report this version"
        ) from e


def _stamp(paths: settings.Paths, tool: Tool) -> Path:
    return paths.tools / f".{tool.name}-{tool.version}"


def chosen(asked: Sequence[str]) -> list[Tool]:
    """The tools of these names, or all; SetupError names those there are."""
    if unknown := [name for name in asked if name not in names()]:
        raise errors.SetupError(f"There is no tool {unknown[0]!r}.", next_step=f"choose from {', '.join(names())}")
    return [published(name) for name in asked or names()]
