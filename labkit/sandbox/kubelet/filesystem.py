"""What a container sees of the machine, of its pod and of its own, decided before it starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import beneath, environment, hosts, identity, node, rootfs, sources, volumes

COMMANDS = "/opt/labkit/bin"
"""Where a container finds the catalogue's commands."""

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
LOOKUP = "passwd: files\ngroup: files\nhosts: files dns\n"

STREAMS = (
    rootfs.Link(path="/dev/fd", to="/proc/self/fd"),
    rootfs.Link(path="/dev/stdin", to="fd/0"),
    rootfs.Link(path="/dev/stdout", to="fd/1"),
    rootfs.Link(path="/dev/stderr", to="fd/2"),
)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume mount, decided: what is shown, and where."""

    source: Path
    target: str
    read_only: bool


class MountError(Exception):
    """A mount that must not be; the text is the kubelet's."""


def mounts(pod: Object, container: Object, place: node.Place, variables: Mapping[str, str]) -> Iterator[Mount]:
    """The container's volume mounts, outer paths first; MountError when one leads outside its volume."""
    kinds = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    for mount in sources.mounts_of(container):
        folder = place.volume(mount["name"])
        if "persistentVolumeClaim" in kinds.get(mount["name"], {}):
            folder = folder.resolve()
        inner = sub_path(mount, variables)
        is_written = any(kind in kinds.get(mount["name"], {}) for kind in volumes.WRITTEN)
        yield Mount(
            source=_inner(folder, inner, mount["name"], container["name"]) if inner else folder,
            target=beneath.clean(mount["mountPath"]),
            read_only=bool(mount.get("readOnly")) or is_written,
        )


def sub_path(mount: Object, variables: Mapping[str, str]) -> str:
    """``subPath``, or ``subPathExpr`` with its variables replaced."""
    path = str(mount.get("subPath") or "")
    if expression := mount.get("subPathExpr"):
        path = environment.expand_all(expression, variables)
    if path.startswith("/"):
        raise MountError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise MountError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _inner(folder: Path, inner: str, volume: str, container: str) -> Path:
    """A part of a volume, as a folder if nothing is there."""
    try:
        target = beneath.real(folder, inner)
        if not target.exists():
            beneath.make_folder(folder.resolve(), str(target.relative_to(folder.resolve())))
    except OSError as e:
        raise MountError(f'failed to prepare subPath for volumeMount "{volume}" of container "{container}"') from e
    return target


def view(
    pod: Object,
    container: Object,
    place: node.Place,
    *,
    machine: list[str],
    commands: Path,
    mounts: list[Mount],
    folder: str,
    owns: Sequence[str],
    sees: Sequence[Path],
    uid: int,
    resolv_conf: str,
    hosts_file: str,
    is_root: bool,
) -> rootfs.Rootfs:
    """What the container sees of everything; its termination message is empty again."""
    root, name = place.root(container["name"]), container["name"]
    root.mkdir(parents=True, exist_ok=True)
    _forget_links(place, mounts)
    files = {"hosts": hosts_file, "resolv.conf": resolv_conf, "hostname": hosts.host_name(pod) + "\n"}
    files |= {"passwd": PASSWD, "group": GROUP, "nsswitch.conf": LOOKUP}
    message = place.termination_message(name)
    message.unlink(missing_ok=True)
    message.touch(mode=0o666)
    told = beneath.clean(container.get("terminationMessagePath") or "/dev/termination-log")
    own = [rootfs.Bind(source=str(m.source), target=m.target, read_only=m.read_only) for m in mounts]
    own += [rootfs.Bind(source=str(path), target=str(path)) for path in sees]
    own += [
        rootfs.Bind(source=str(place.run), target=str(place.run)),
        *([rootfs.Bind(source=str(place.agent), target=str(place.agent))] if name == node.PROXY else []),
        rootfs.Bind(source=str(commands), target=COMMANDS, read_only=True),
        rootfs.Bind(source=str(message), target=told),
    ]
    shown = list(rootfs.shown(machine, [*(bind.target for bind in own), folder], owns))
    security = identity.context(pod, container)
    return rootfs.Rootfs(
        folder=str(root),
        machine=tuple(part for part in shown if isinstance(part, rootfs.Bind)),
        links=(*STREAMS, *(part for part in shown if isinstance(part, rootfs.Link))),
        files={f"/etc/{file}": text for file, text in files.items()},
        volumes=tuple(own),
        folders=(*owns, folder),
        host_name=hosts.host_name(pod),
        read_only=bool(security.get("readOnlyRootFilesystem")),
        uid=uid,
        gid=identity.gid(pod, container),
        # Root needs no user namespace, and in one it could not listen below port 1024. Envoy takes such ports.
        has_user_namespace=not is_root or (uid != 0 and name != node.PROXY),
        capabilities=identity.capabilities(container),
        gains_privileges=security.get("allowPrivilegeEscalation") is not False,
    )


def _forget_links(place: node.Place, mounts: list[Mount]) -> None:
    """Remove what stands for a mount inside another where files are shared: the machine had no namespaces before."""
    for inner in mounts:
        for outer in mounts:
            if rootfs.is_below(inner.target, outer.target):
                link = outer.source / Path(inner.target).relative_to(outer.target)
                if link.is_symlink() and link.readlink().is_relative_to(place.folder):
                    link.unlink()
