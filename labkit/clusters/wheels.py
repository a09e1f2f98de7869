"""The Python packages of the lab as files in a folder, for a machine without network: ``./lab up --from DIR``."""

import importlib.util
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from labkit.base import errors, settings, versions

FOLDER = "wheels"
FOR_WHOM = "python"
"""The file beside the packages that says so."""

LISTS = ("tools/uv.txt", "requirements.txt")
"""What the lab installs, each file pinned with hashes."""


def save(folder: Path, *, run: Callable[[list[str]], int]) -> Path:
    """Download what the lists pin for this Python and platform, verified by hash; the folder."""
    target = folder / FOLDER
    if importlib.util.find_spec("pip") is None:  # an environment that uv made
        run([sys.executable, "-m", "ensurepip", "--upgrade"])
    for name in LISTS:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:"]
        code = run([*command, "--dest", str(target), "--requirement", str(settings.CHECKOUT / name)])
        if code:
            raise errors.SetupError(
                f"pip could not download what {name} pins; the lines above say why.",
                next_step="check the network or the package index (PIP_INDEX_URL, HTTPS_PROXY) and try again",
            )
    (target / FOR_WHOM).write_text(f"{for_whom()}\n")
    return target


def mb() -> int:
    """About the size of all of them, in MB."""
    return int(versions.pinned()["packages_mb"])


def saved_mb(folder: Path) -> int:
    """How much of them a folder has, in MB."""
    return round(sum(file.stat().st_size for file in (folder / FOLDER).glob("*.whl")) / 1e6)


def for_whom() -> str:
    """Which Python and machine these packages are for; ``./lab`` compares it with its own."""
    major, minor, *_ = sys.version_info
    return f"python{major}.{minor} {platform.system()} {platform.machine()}"
