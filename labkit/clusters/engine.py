"""The container engine in which kind's nodes run: Docker, or podman where kind is told so by its own variable."""

import json
import os
from collections.abc import Mapping
from typing import Any

from labkit.base import programs
from labkit.clusters import commands

PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
"""kind's own variable; empty for Docker."""


SHORT = 30.0
"""Seconds for a question."""


def program() -> str:
    """The engine's command."""
    return "podman" if os.environ.get(PROVIDER) == "podman" else "docker"


def info_words() -> list[str]:
    """The command that tells what an engine has."""
    return [program(), "info", "--format", "json" if program() == "podman" else "{{json .}}"]


def has(machine: commands.Commands, image: str) -> bool:
    """Whether the engine has an image."""
    return machine.run([program(), "image", "inspect", full_name(image)], timeout=SHORT).code == 0


def full_name(image: str) -> str:
    """An image's name with its registry: podman looks for no other one unless somebody set it up to (kind's is short).

    A digest says enough: podman takes no name with both a tag and a digest.
    """
    repository, _, digest = image.partition("@")
    first, slash, _ = repository.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    whole = repository if has_registry else f"docker.io/{repository if slash else f'library/{repository}'}"
    if digest and ":" in whole.rpartition("/")[2]:
        whole = whole.rpartition(":")[0]
    return f"{whole}@{digest}" if digest else whole


def info_of(done: programs.Output) -> Mapping[str, Any] | str:
    """What an engine has, by Docker's names; or its complaint."""
    try:
        told: Mapping[str, Any] = json.loads(done.out)
    except ValueError:
        return done.err.strip() or done.out.strip() or f"{program()} info ended with {done.code}"
    if "host" in told:
        return _of_podman(told)
    if told.get("ServerVersion"):
        return told
    # The client of an engine that is down prints the whole form, empty, and complains inside it or beside it.
    return str((told.get("ServerErrors") or [done.err.strip() or "Docker has no server"])[0])


def save_words(image: str, *, platform: str, file: str) -> list[str]:
    """The command that writes an image of one platform to a file that kind can load.

    podman saves what it has pulled, which is one platform; Docker has to be told (kubernetes-sigs/kind#3795).
    """
    if program() == "podman":
        return ["podman", "save", "--format", "docker-archive", "--output", file, image]
    return ["docker", "save", "--platform", platform, "--output", file, image]


def _of_podman(told: Mapping[str, Any]) -> Mapping[str, Any]:
    host, store = told["host"], told.get("store") or {}
    return {
        "ServerVersion": str((told.get("version") or {}).get("Version", "")),
        "OperatingSystem": str((host.get("distribution") or {}).get("distribution", "this machine")),
        "MemTotal": int(host.get("memTotal", 0)),
        "NCPU": int(host.get("cpus", 0)),
        "CgroupVersion": str(host.get("cgroupVersion", "")).removeprefix("v"),
        "DockerRootDir": str(store.get("graphRoot", "")),
        "Driver": str(store.get("graphDriverName", "")),
        "LogDriver": str(host.get("logDriver", "")),
    }
