"""Where the machine allows no namespaces: paths of a container that a command line names are moved below its root.

Only paths that the pod declares (mounts, the termination message) are; all others are the machine's own.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import beneath, node

INJECTED = (node.PROXY, "istio-init", "istio-validation")
"""Containers whose security context nobody wrote."""


def relocated(words: Sequence[str], *, root: str, inside: Sequence[str]) -> list[str]:
    """A command line whose absolute paths below ``inside`` (mount paths) lie below ``root`` instead.

    ``["cat", "/etc/app/x"]`` gives ``["cat", "ROOT/etc/app/x"]``; within a word too, as in
    ``--config=/etc/app/x`` or a shell's text.
    """
    if not inside:
        return list(words)
    longest_first = sorted({path.rstrip("/") for path in inside if path.rstrip("/")}, key=len, reverse=True)
    path = "|".join(re.escape(p) for p in longest_first)
    if not path:
        return list(words)
    pattern = re.compile(rf"(?<![\w./-])({path})(?![\w.-])")
    return [pattern.sub(lambda match: root + match[1], word) for word in words]


README = "README, Honest limits"

NEEDED = {
    "spec": ("dnsConfig", "hostAliases", "hostname", "hostnameOverride", "setHostnameAsFQDN"),
    "spec.securityContext": ("runAsGroup", "runAsUser"),
    "container": ("capabilities", "readOnlyRootFilesystem", "runAsGroup", "runAsUser"),
}
"""Fields that only namespaces can carry out, of a pod and of its containers' security contexts."""


def told(pod: Object) -> Iterator[tuple[str, str, str]]:
    """What a pod is told on a machine that allows no namespaces: reason, message and type of each Event."""
    why = "this machine allows no user namespaces"
    yield "SharedWithMachine", f"Containers share the machine's files and processes: {why} ({README})", "Normal"
    if fields := list(_unmet(pod)):
        yield "NotCarriedOut", f"{', '.join(fields)}: no effect, because {why} ({README})", "Warning"


def _unmet(pod: Object) -> Iterator[str]:
    spec = pod["spec"]
    security = spec.get("securityContext") or {}
    yield from (f"spec.{name}" for name in NEEDED["spec"] if spec.get(name))
    yield from (f"spec.securityContext.{name}" for name in NEEDED["spec.securityContext"] if security.get(name))
    for group in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(group) or []):
            own = container.get("securityContext") or {}
            here = f"spec.{group}[{at}].securityContext"
            if container["name"] not in INJECTED:
                yield from (f"{here}.{name}" for name in NEEDED["container"] if own.get(name))


def prepare(root: Path, pod_folder: Path, mounts: Iterable[tuple[Path, str]]) -> None:
    """Make the container's root anew, its volumes as links in it; OutsideError when one leads out of the pod."""
    beneath.discard(root)
    for name in ("tmp", "home", "dev"):
        (root / name).mkdir(parents=True)
    mounts = list(mounts)
    # The volume of a claim lies outside the pod, and is the pod's nevertheless.
    own = [pod_folder.resolve(), *(source.resolve() for source, _ in mounts)]
    for source, target in mounts:
        _link(_parent(root, own, target) / Path(target).name, source)


def _parent(root: Path, own: Sequence[Path], target: str) -> Path:
    """Where a mount's name goes. Inside another mount that is its volume, as with a real one."""
    here = root.resolve()
    for name in Path(target).parts[1:-1]:
        here = here / name
        if here.is_symlink():
            here = here.resolve()
            if not any(here.is_relative_to(folder) for folder in own):
                raise beneath.OutsideError(f"{target}: {name} is a symbolic link that leads out of the pod")
        here.mkdir(exist_ok=True)
    return here


def _link(place: Path, source: Path) -> None:
    if place.is_symlink():
        place.unlink()
    elif place.is_dir():
        with contextlib.suppress(OSError):
            place.rmdir()
    if not place.exists():
        place.symlink_to(source)


def paths(spec: Object) -> list[str]:
    """Paths that lie in the container's root when a command line names them."""
    mounted = [beneath.clean(mount["mountPath"]) for mount in spec.get("volumeMounts") or []]
    return [*mounted, beneath.clean(spec.get("terminationMessagePath") or "/dev/termination-log")]


def inside(argv: Sequence[str], *, root: str, spec: Object) -> list[str]:
    """``argv`` of ``exec``; ``tar`` and ``test``, which ``kubectl cp`` runs, never mean the machine's paths."""
    word = argv[0].rpartition("/")[2]
    if word == "tar":
        return _tar(list(argv), root)
    if word == "test":
        return [argv[0], *(_below(root, each) for each in argv[1:])]
    return relocated(argv, root=root, inside=paths(spec))


def _below(root: str, word: str) -> str:
    return root + beneath.clean(word) if word.startswith("/") and not word.startswith(root) else word


def _tar(argv: list[str], root: str) -> list[str]:
    """``tar cf - /a/b`` packs ``a/b`` of the root; ``tar -xmf - -C /a`` unpacks into the root's ``a``."""
    if "-C" in argv:
        return [argv[0], *(_below(root, word) for word in argv[1:])]
    names = [word.lstrip("/") if word.startswith("/") else word for word in argv[1:]]
    options = [word for word in names[:1] if not word.startswith("-")]
    return [argv[0], *options, *names[len(options) : len(options) + 1], "-h", "-C", root, *names[len(options) + 1 :]]
