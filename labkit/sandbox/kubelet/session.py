"""Command lines and environments as the processes of a container get them."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.base import settings
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import catalogue, environment, launching, node, pump, sources, volumes
from labkit.sandbox.network import addresses

if TYPE_CHECKING:
    from labkit.sandbox.kubelet.container import Container, Owner

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command_of(owner: "Owner", spec: Object, program: catalogue.Program) -> launching.Command:
    """A container's own process, its root folder prepared; MissingError when something it names is absent."""
    declared = environment.variables(owner.addressed, spec, owner.lookup)
    root = _prepared_root(owner, spec)
    words = environment.command_line(spec, declared)
    commands = owner.shared.folder / "bin" / program.name
    env = _given(owner, root, commands) | declared
    return launching.Command(
        argv=environment.relocated(words, root=str(root), inside=_paths(spec)),
        entry=program.run(words),
        env=env,
        cwd=str(_folder(root, spec)),
        tty=bool(spec.get("tty")),
    )


def _given(owner: "Owner", root: Path, commands: Path) -> dict[str, str]:
    """What every process gets, whatever its pod declares."""
    pod, shared = owner.pod, owner.shared
    proxied = node.has_proxy(pod)
    proxy = f"http://{owner.ip}:{node.OUTBOUND_PORT}"
    direct = "127.0.0.1,localhost"
    env = {
        "LABKIT_POD_IP": owner.ip,
        "LABKIT_APP_IP": shared.block.twin(owner.ip) if proxied else owner.ip,
        "LABKIT_POD_NAME": resources.name_of(pod),
        "LABKIT_POD_NAMESPACE": resources.namespace_of(pod),
        "LABKIT_NODE_IP": addresses.NODE,
        "LABKIT_SERVICE_BASE": str(shared.block.service_base),
        "LABKIT_ROOT": str(root),
        "HOSTNAME": pod["spec"].get("hostname") or resources.name_of(pod),
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "PATH": f"{commands}:{SYSTEM_PATH}",
        "KUBERNETES_SERVICE_HOST": addresses.NODE,
        "KUBERNETES_SERVICE_PORT": str(shared.api_port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(shared.api_port),
        "PYTHONPATH": str(settings.CHECKOUT),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
    told = {"http_proxy": proxy, "no_proxy": direct}
    if proxied:
        # TLS leaves by the sidecar too, as a tunnel; the service proxy knows only the cluster's own names.
        told["https_proxy"] = proxy
    for name, value in told.items():
        env[name] = env[name.upper()] = value
    return env


def _prepared_root(owner: "Owner", spec: Object) -> Path:
    root = owner.place.root(spec["name"])
    for name in ("tmp", "home", "dev"):
        if not (root / name).exists():
            (root / name).mkdir(parents=True)
    (root / (spec.get("terminationMessagePath") or "dev/termination-log").strip("/")).unlink(missing_ok=True)
    for mount in sources.mounts_of(spec):
        inner = mount.get("subPath") or environment.expand(mount.get("subPathExpr") or "", {})
        volumes.mount(root, owner.place.volume(mount["name"]), path=mount["mountPath"], inner=inner)
    return root


def _paths(spec: Object) -> list[str]:
    """Paths that lie in the container's root when a command line names them."""
    mounted = [mount["mountPath"] for mount in spec.get("volumeMounts") or []]
    return [*mounted, spec.get("terminationMessagePath") or "/dev/termination-log"]


def _folder(root: Path, spec: Object) -> Path:
    folder = root / str(spec.get("workingDir") or "").strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def inside(
    owner: "Owner", spec: Object, command: launching.Command, argv: Sequence[str], *, tty: bool
) -> launching.Command:
    """``argv`` with the environment of a running container's ``command``; StartError for no such program."""
    program = owner.shared.catalogue.find(spec["image"])
    root = command.env["LABKIT_ROOT"]
    words = environment.relocated(argv, root=root, inside=_paths(spec))
    entry = (program and program.command(argv[0])) or ""
    env = command.env | ({"TERM": "xterm"} if tty else {})
    if argv[0].rpartition("/")[2] == "tar":
        # `kubectl cp` names absolute paths of the container: they must never mean the machine's.
        words = _tar(list(argv), root)
    elif argv[0].rpartition("/")[2] == "test":
        words = [argv[0], *(_below(root, word) for word in argv[1:])]
    if not entry and shutil.which(words[0], path=_search(env)) is None:
        raise launching.StartError(f'exec: "{argv[0]}": executable file not found in $PATH')
    return launching.Command(argv=words, entry=entry, env=env, cwd=command.cwd, tty=tty)


def _search(env: Mapping[str, str]) -> str:
    return env.get("PATH", SYSTEM_PATH)


def _below(root: str, word: str) -> str:
    return root + word if word.startswith("/") and not word.startswith(root) else word


def _tar(argv: list[str], root: str) -> list[str]:
    """``tar cf - /a/b`` packs ``a/b`` of the root; ``tar -xmf - -C /a`` unpacks into the root's ``a``."""
    if "-C" in argv:
        return [argv[0], *(_below(root, word) for word in argv[1:])]
    names = [word.lstrip("/") if word.startswith("/") else word for word in argv[1:]]
    options = [word for word in names[:1] if not word.startswith("-")]
    return [argv[0], *options, *names[len(options) : len(options) + 1], "-h", "-C", root, *names[len(options) + 1 :]]


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
