"""``istioctl`` as a command: a small script at the end of the PATH, so that a real istioctl comes first."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from labkit.base import private, settings

NAME = "istioctl"


def folder(paths: settings.Paths) -> Path:
    """The folder with the script, written when it is not there or is another checkout's."""
    script = paths.home / "bin" / NAME
    checkout = shlex.quote(str(settings.CHECKOUT))
    text = (
        "#!/bin/sh\n"
        "# The lab's own istioctl; a real one on the PATH comes first.\n"
        f"LABKIT_HOME={shlex.quote(str(paths.home))} PYTHONUTF8=1 PYTHONPATH={checkout} "
        f'exec {shlex.quote(sys.executable)} -m labkit.istioctl "$@"\n'
    )
    if not script.is_file() or script.read_text() != text:
        paths.make()
        script.parent.mkdir(mode=0o700, exist_ok=True)
        private.write(script, text.encode())
        script.chmod(0o700)
    return script.parent


def path(paths: settings.Paths, current: str) -> str:
    """The PATH with the script at its end."""
    own = str(folder(paths))
    return current if own in current.split(os.pathsep) else f"{current}{os.pathsep}{own}"


def real(paths: settings.Paths) -> str | None:
    """A real istioctl of this machine."""
    own = str(paths.home / "bin")
    others = os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p and p != own)
    return shutil.which(NAME, path=others)
