"""Paths below a folder that others can write: no step of them leads through a symbolic link."""

import itertools
import os
import shutil
import stat
import threading
from pathlib import Path, PurePosixPath

_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OutsideError(OSError):
    """A path that would leave its folder."""


def clean(path: str) -> str:
    """An absolute path of a container without ``..``, as a runtime reads it: ``../../a/./b`` is ``/a/b``."""
    return os.path.normpath("/" + path.lstrip("/"))


def folder(root: int, path: str, *, create: bool = True) -> int:
    """A descriptor of the folder ``path`` below the open folder ``root``, made if it is missing."""
    here = os.dup(root)
    for name in PurePosixPath(clean(path)).parts[1:]:
        try:
            if create:
                _make(here, name)
            below = os.open(name, _STEP, dir_fd=here)
        except NotADirectoryError as e:
            what = "is a symbolic link" if _is_link(here, name) else "is no folder"
            raise OutsideError(f"{path}: {name} {what}") from e
        finally:
            os.close(here)
        here = below
    return here


def _make(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return


def _is_link(parent: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def file(root: int, path: str) -> int:
    """A descriptor for mounting on the file ``path`` below ``root``, made empty if it is missing."""
    place = PurePosixPath(clean(path))
    parent = folder(root, str(place.parent))
    try:
        try:
            os.close(os.open(place.name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        except FileExistsError:
            if _is_link(parent, place.name):
                raise OutsideError(f"{path}: {place.name} is a symbolic link") from None
        return os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def make_folder(root: Path, path: str) -> Path:
    """The folder ``path`` below ``root``, made if it is missing; OutsideError when a link stands in the way."""
    top = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(folder(top, path))
    finally:
        os.close(top)
    return root / clean(path).lstrip("/")


def read(root: Path, path: str, *, at_most: int) -> bytes:
    """The beginning of a regular file below ``root``; OSError when there is none without following links."""
    place = PurePosixPath(clean(path))
    top = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parent = folder(top, str(place.parent), create=False)
    finally:
        os.close(top)
    try:
        fd = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    with os.fdopen(fd, "rb") as opened:
        return opened.read(at_most) if stat.S_ISREG(os.fstat(fd).st_mode) else b""


def real(root: Path, path: str) -> Path:
    """``path`` below ``root`` with its links followed; OutsideError when they lead out of ``root``."""
    top = root.resolve()
    target = (top / path).resolve()
    if target != top and not target.is_relative_to(top):
        raise OutsideError(f"{path} leads outside")
    return target


_NUMBERS = itertools.count()


def discard(path: Path) -> None:
    """Put a folder away at once, and remove it with all that is in it beside; links are removed, never followed.

    A disk may take milliseconds for each folder, and whoever starts or stops a pod must not wait for it.
    """
    away = path.with_name(f"{GONE}{path.name}.{os.getpid()}.{next(_NUMBERS)}")
    try:
        path.rename(away)
    except FileNotFoundError:
        return
    threading.Thread(target=shutil.rmtree, args=(away,), kwargs={"ignore_errors": True}, name="discard").start()


GONE = ".gone-"
"""How names begin of folders that are being removed."""
