"""What README promises about Python is what is tried."""

import re
import sys
from pathlib import Path

from tools import pythons


def test_readme_names_the_versions_that_are_tried():
    (first, last) = re.search(r"Python (3\.\d+) to (3\.\d+)", (pythons.CHECKOUT / "README.md").read_text()).groups()
    assert (pythons.SUPPORTED[0], pythons.SUPPORTED[-1]) == (first, last)


def test_an_interpreter_is_what_its_name_says(tmp_path: Path):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    shim, real = tmp_path / "shims", tmp_path / "bin"
    for folder, script in ((shim, "exit 127"), (real, f'exec {sys.executable} "$@"')):
        folder.mkdir()
        (folder / f"python{version}").write_text(f"#!/bin/sh\n{script}\n")
        (folder / f"python{version}").chmod(0o755)
    assert pythons.interpreter(version, {"PATH": f"{shim}:{real}"}) == real / f"python{version}"
    assert pythons.interpreter("3.99", {"PATH": str(real)}) is None
