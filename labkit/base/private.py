"""Files and folders that only their owner can read."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from labkit.base import errors

SOCKET_PATH = 107
"""Bytes that the path of a Unix socket may have (``unix(7)``)."""


def write(path: Path, data: bytes) -> None:
    """Write a file that nobody else can read at any moment; it replaces an older one at once."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def socket_folder(preferred: Path, *, longest_name: int) -> Path:
    """A private folder for Unix sockets: ``preferred``, or one with a short path where it is too long for a socket.

    Raises SetupError where somebody else already has the short one.
    """
    folder = preferred
    if len(os.fsencode(preferred)) + 1 + longest_name > SOCKET_PATH:
        digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"labkit-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise errors.SetupError(
            f"{folder} is not a folder that you alone can read.",
            next_step=f"rm -r {folder}, or name another place for it: TMPDIR=/path ./lab up",
        )
    return folder
