"""Command lines and environments as the processes of a container get them."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base import settings
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import (
    beneath,
    catalogue,
    environment,
    filesystem,
    hosts,
    identity,
    launching,
    node,
    pump,
    rootfs,
    sharing,
)
from labkit.sandbox.network import addresses

if TYPE_CHECKING:
    from labkit.sandbox.kubelet.container import Container, Owner

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command_of(owner: "Owner", spec: Object, program: catalogue.Program, *, isolates: bool) -> launching.Command:
    """A container's own process, its folders prepared; MissingError, MountError or PolicyError when it cannot be.

    ``isolates`` says whether it gets a file system of its own.
    """
    linked = owner.linked
    declared = environment.variables(owner.addressed, spec, owner.lookup, linked)
    mounts = list(filesystem.mounts(owner.pod, spec, owner.place, declared))
    uid = identity.uid(owner.pod, spec, program.user)
    entry, words = program.run(*environment.command_line(spec, linked | declared))
    folder = beneath.clean(str(spec.get("workingDir") or program.folder or "/"))
    commands = owner.shared.folder / "bin" / program.kit
    owner.place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    if program.folder and not Path(program.folder).is_dir():
        why = f"{program.folder}, the folder of image {spec['image']} in {catalogue.OWN}, is not there"
        raise filesystem.MountError(why)
    if isolates:
        env = {
            "PATH": f"{filesystem.COMMANDS}:{SYSTEM_PATH}",
            "HOME": "/root" if uid == 0 else "/home",
            "LABKIT_ROOT": "/",
        }
        return launching.Command(
            argv=words,
            entry=entry,
            env=_given(owner, uid, spec) | linked | env | declared,
            cwd=folder,
            tty=bool(spec.get("tty")),
            rootfs=filesystem.view(
                owner.pod,
                spec,
                owner.place,
                machine=[*owner.shared.machine, *([program.folder] if program.folder else [])],
                commands=commands,
                mounts=mounts,
                folder=folder,
                owns=program.owns,
                sees=[owner.shared.folder] if program.sees_pods else [],
                uid=uid,
                resolv_conf=_resolv_conf(owner),
                hosts_file=hosts.hosts(owner.pod, owner.ip, _local(owner)),
                is_root=os.geteuid() == 0,
            ),
        )
    root = owner.place.root(spec["name"])
    try:
        sharing.prepare(root, owner.place.folder, ((mount.source, mount.target) for mount in mounts))
        cwd = Path(folder) if folder == program.folder else beneath.make_folder(root, folder)
    except beneath.OutsideError as e:
        raise filesystem.MountError(str(e)) from e
    env = {"PATH": f"{commands}:{SYSTEM_PATH}", "HOME": str(root / "home"), "LABKIT_ROOT": str(root)}
    return launching.Command(
        argv=sharing.relocated(words, root=str(root), inside=sharing.paths(spec)),
        entry=entry,
        env=_given(owner, uid, spec) | linked | env | {"TMPDIR": str(root / "tmp")} | declared,
        cwd=str(cwd),
        tty=bool(spec.get("tty")),
    )


_RUNTIME = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)


def refuse_missing(command: launching.Command) -> None:
    """StartError in a runtime's words for a program that is neither on this machine nor in a volume."""
    if command.entry:
        return
    word = command.argv[0]
    if "/" not in word:
        if shutil.which(word, path=SYSTEM_PATH) is None and catalogue.COMMANDS["apps"].get(word) is None:
            raise launching.StartError(f'{_RUNTIME}exec: "{word}": executable file not found in $PATH')
    elif command.rootfs and word.startswith("/"):
        parts = [*command.rootfs.volumes, *command.rootfs.machine]
        if not any(word == p.target or rootfs.is_below(word, p.target) for p in parts) and not Path(word).exists():
            raise launching.StartError(f'{_RUNTIME}exec: "{word}": stat {word}: no such file or directory')


def _given(owner: "Owner", uid: int, spec: Mapping[str, Any]) -> dict[str, str]:
    """What every process gets, whatever its pod declares."""
    pod, shared = owner.pod, owner.shared
    env = {
        "LABKIT_POD_IP": owner.ip,
        "LABKIT_POD_NAME": resources.name_of(pod),
        "LABKIT_POD_NAMESPACE": resources.namespace_of(pod),
        "LABKIT_NODE_IP": addresses.NODE,
        "LABKIT_UID": str(uid),
        "LABKIT_IMAGE": str(spec.get("image", "")),
        "LABKIT_SERVICE_BASE": str(shared.block.service_base),
        "LABKIT_RUN": str(owner.place.run),
        "HOSTNAME": hosts.host_name(pod),
        "PYTHONPATH": str(settings.CHECKOUT),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
    return env | (owner.network.environment() if owner.network else {})


def _local(owner: "Owner") -> list[str]:
    """What ``localhost`` is to programs that know no door: where others like them listen."""
    return [owner.shared.block.twin(owner.ip)] if node.has_proxy(owner.pod) else [owner.ip]


def _resolv_conf(owner: "Owner") -> str:
    """The machine's own for ``dnsPolicy: Default``."""
    if owner.pod["spec"].get("dnsPolicy") == "Default" and not owner.pod["spec"].get("dnsConfig"):
        machine = Path("/etc/resolv.conf")
        return machine.read_text() if machine.exists() else ""
    return hosts.resolv_conf(owner.pod, name_server=owner.shared.block.service_twin(hosts.NAME_SERVER))


def inside(
    owner: "Owner",
    spec: Object,
    command: launching.Command,
    argv: Sequence[str],
    *,
    tty: bool,
    first: launching.Process,
) -> launching.Command:
    """``argv`` beside a running container's ``first`` process; StartError for no such program."""
    program = owner.shared.catalogue.find(spec["image"])
    entry = (program and program.command(argv[0])) or ""
    env = command.env | ({"TERM": "xterm"} if tty else {})
    words = list(argv)
    if not command.rootfs:
        words = sharing.inside(argv, root=command.env["LABKIT_ROOT"], spec=spec)
    if not entry and not _exists(words[0], env, root=f"/proc/{first.pid}/root" if command.rootfs else ""):
        raise launching.StartError(f'exec: "{argv[0]}": executable file not found in $PATH')
    return launching.Command(
        argv=words, entry=entry, env=env, cwd=command.cwd, tty=tty, rootfs=command.rootfs, member=first
    )


def _exists(word: str, env: Mapping[str, str], *, root: str) -> bool:
    """Whether a program is there: by its path, or by its name in one of PATH's folders."""
    if not root:
        return shutil.which(word, path=env.get("PATH", SYSTEM_PATH)) is not None
    folders = [""] if "/" in word else [f"{folder}/" for folder in env.get("PATH", SYSTEM_PATH).split(":")]
    return any(os.path.lexists(f"{root}/{folder}{word}") for folder in folders)


async def run(container: "Container", command: launching.Command, within: float) -> tuple[int, bytes]:
    """Run to the end within ``timeout`` seconds: exit code and output; TimeoutError after killing it."""
    output = bytearray()
    reading, writing = pump.wide_pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    launcher = container.owner.shared.launcher
    try:
        process = await launcher.start(command, [nothing, writing, writing])
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(nothing)
        os.close(writing)
    taken = pump.Pump(reading, output.extend)
    container.sessions.add(process)
    try:
        code = await asyncio.wait_for(asyncio.shield(process.ended), within)
    finally:
        launcher.signal(process, signal.SIGKILL, group=True)
        container.sessions.discard(process)
        taken.finish()
    return code, bytes(output)
