"""The smoke test on every Python that README names: ``python -m tools.pythons``, a stage of ``./lab test``.

A version that this machine lacks is named and skipped. The version that runs this has had its turn in the suite.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
"""README's "3.11 to 3.14"; a test compares."""

SMOKE = "tests/acceptance/test_smoke.py"


def candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where an interpreter of a version may lie: on the path, from pyenv, from uv."""
    home = Path(environment.get("HOME", "/"))
    for folder in environment.get("PATH", "").split(os.pathsep):
        yield Path(folder) / f"python{version}"
    for pattern in (f".pyenv/versions/{version}.*", f".local/share/uv/python/cpython-{version}.*"):
        yield from (found / "bin" / f"python{version}" for found in sorted(home.glob(pattern)))


def interpreter(version: str, environment: Mapping[str, str]) -> Path | None:
    """The first candidate that runs and is what its name says; a shim of pyenv may be neither."""
    return next((path for path in candidates(version, environment) if _answers(path, version)), None)


def _answers(path: Path, version: str) -> bool:
    if not path.exists():
        return False
    asked = [str(path), "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def smoke(python: Path, folder: Path) -> int:
    """Install what is pinned for an interpreter, then run the smoke test with it."""
    own = Path(sys.executable).parent
    uv = shutil.which("uv", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")
    fresh = folder / "bin" / "python"
    install = (
        [uv, "pip", "install", "--quiet", "--python", str(fresh)]
        if uv
        else [str(fresh), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    commands = [
        [str(python), "-m", "venv", str(folder)],
        [*install, "--require-hashes", "--requirement", "tests/requirements.txt"],
        [str(fresh), "-m", "pytest", SMOKE, "-q"],
    ]
    for command in commands:
        if code := subprocess.run(command, cwd=CHECKOUT, check=False).returncode:
            print(f"failed: {' '.join(command)}", flush=True)
            return code
    return 0


def main() -> int:
    """Try every version; 0 when those that are here passed."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    verdicts = {own: "the suite ran on it"}
    for version in SUPPORTED:
        if version == own:
            continue
        python = interpreter(version, os.environ)
        if python is None:
            verdicts[version] = "not on this machine, NOT TRIED"
            continue
        print(f"Python {version}: {python}", flush=True)
        with tempfile.TemporaryDirectory(prefix="labkit-python-") as folder:
            verdicts[version] = "FAILED" if smoke(python, Path(folder)) else "passed"
    for version in SUPPORTED:
        print(f"  Python {version}: {verdicts[version]}")
    return 1 if "FAILED" in verdicts.values() else 0


if __name__ == "__main__":
    sys.exit(main())
