"""A process that sees its container and nothing else: built in the fork, before the program's first line."""

import contextlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath

from labkit.sandbox.kubelet import beneath, linux, rootfs
from labkit.sandbox.kubelet.rootfs import Rootfs

NAMESPACES = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS


_OUTSIDE_UID, _OUTSIDE_GID = os.geteuid(), os.getegid()
"""Asked before any fork: a new user namespace no longer knows them."""


def flags(view: Rootfs) -> int:
    """How the first process of such a container is forked."""
    return NAMESPACES | (linux.CLONE_NEWUSER if view.has_user_namespace else 0)


def enter(view: Rootfs) -> None:
    """In the fork: become the container's user and see its files, with the machine's out of sight. OSError as text."""
    if view.has_user_namespace:
        _become(view.uid, view.gid)
    if view.host_name:
        linux.set_host_name(view.host_name)
    # Nothing that is mounted from here on is seen outside, and nothing mounted outside comes in.
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    # From memory: a disk would take longer to make the places of mounts than the rest of a start together.
    linux.mount("root", view.folder, kind="tmpfs", flags=linux.MS_NOSUID, options="mode=755")
    root = os.open(view.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for path in rootfs.OWN:
        os.close(beneath.folder(root, path))
    for link in view.links:
        _link(root, link)
    for path, text in view.files.items():
        _write(root, path, text)
    for bind in view.machine:
        _bind(root, bind)
        # At once: what follows makes folders, and must not make them on the machine.
        if bind.read_only:
            _make_read_only(root, bind.target)
    for bind in view.volumes:
        _bind(root, bind)
    for path in view.folders:
        os.close(beneath.folder(root, path))
    os.close(beneath.folder(root, "/proc"))
    # A fresh one shows the container's processes alone. The kernel refuses it where parts of ours are covered.
    linux.mount("proc", f"{view.folder}/proc", kind="proc", flags=linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    # After the last one: a volume that is only read may hold the place of another.
    for bind in view.volumes:
        if bind.read_only:
            _make_read_only(root, bind.target)
    if view.read_only:
        _make_read_only(root, "/")
    os.close(root)
    linux.pivot_root(view.folder)
    give_up(view)


def is_built(pid: int) -> bool:
    """Whether a container's first process has left the machine's file system. OSError when it has ended."""
    return not Path(f"/proc/{pid}/root").samefile("/")


def handles(pid: int, number: int) -> bool:
    """Whether a container's first process has a handler for a signal, or wants it ignored; not before it is built."""
    with contextlib.suppress(OSError):
        if not is_built(pid):
            return False
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn:", "SigCgt:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)
    return True


BUILT_WITHIN = 5.0
"""Seconds in which a container's first process has its file system: some hundredths usually."""


def join(pid: int, view: Rootfs) -> None:
    """In a fork: enter a running container; its children are members of it, this process only half."""
    deadline = time.monotonic() + BUILT_WITHIN
    while not is_built(pid):
        if time.monotonic() > deadline:
            raise OSError(f"process {pid} has no file system of its own yet")
        time.sleep(0.001)
    kinds = ["user"] if view.has_user_namespace else []
    linux.join(pid, [*kinds, "mnt", "uts", "pid"])


def give_up(view: Rootfs) -> None:
    """Drop what a container's process may not do."""
    if not view.gains_privileges:
        linux.gain_no_privileges()
    linux.keep_capabilities(view.capabilities if view.uid == 0 or not view.has_user_namespace else ())


def _become(uid: int, gid: int) -> None:
    """One name inside for our one user outside (user_namespaces(7))."""
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{uid} {_OUTSIDE_UID} 1")
    (own / "gid_map").write_text(f"{gid} {_OUTSIDE_GID} 1")


def _bind(root: int, bind: rootfs.Bind) -> None:
    is_folder = Path(bind.source).is_dir()
    place = beneath.folder(root, bind.target) if is_folder else beneath.file(root, bind.target)
    try:
        linux.mount(bind.source, f"/proc/self/fd/{place}", flags=linux.MS_BIND | linux.MS_REC)
    except OSError as e:
        raise OSError(e.errno, e.strerror, bind.target) from e
    os.close(place)


_KEPT = {os.ST_NOSUID: linux.MS_NOSUID, os.ST_NODEV: linux.MS_NODEV, os.ST_NOEXEC: linux.MS_NOEXEC}
_TIMES = {os.ST_NOATIME: 1024, os.ST_NODIRATIME: 2048, os.ST_RELATIME: 1 << 21}


def _make_read_only(root: int, target: str) -> None:
    """A user namespace may only add to the flags of a mount, so those it has are named again (mount_namespaces(7))."""
    place = os.open("." + target, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    has = os.fstatvfs(place).f_flag
    kept = sum(flag for bit, flag in (_KEPT | _TIMES).items() if has & bit)
    flags = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | kept
    linux.mount("none", f"/proc/self/fd/{place}", flags=flags)
    os.close(place)


def _write(root: int, path: str, text: str) -> None:
    fd = os.open(f".{path}", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=root)
    os.write(fd, text.encode())
    os.close(fd)


def _link(root: int, link: rootfs.Link) -> None:
    place = PurePosixPath(link.path)
    parent = beneath.folder(root, str(place.parent))
    with suppress(FileExistsError):
        os.symlink(link.to, place.name, dir_fd=parent)
    os.close(parent)


def is_possible() -> bool:
    """Whether this machine lets us: tried once in each way, with a child that goes all the way."""
    ways = {True, os.geteuid() != 0}
    return all(_try(has_user_namespace=way) for way in ways)


def _try(*, has_user_namespace: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        view = Rootfs(
            folder=folder,
            machine=(rootfs.Bind(source="/usr", target="/usr", read_only=True),),
            host_name="try",
            read_only=True,
            has_user_namespace=has_user_namespace,
        )
        try:
            pid = linux.fork(flags(view))
        except OSError:
            return False
        if pid == 0:
            code = 1
            with suppress(OSError):
                enter(view)
                code = 0
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
