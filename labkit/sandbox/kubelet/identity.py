"""Who a container's processes are: pure functions of its security context and its image."""

from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import node

CAPABILITIES = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
    "NET_BIND_SERVICE": 10, "NET_RAW": 13, "SYS_CHROOT": 18, "MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31,
}  # fmt: skip
"""What containerd leaves to root in a container; the sandbox gives no others (capabilities(7) has the numbers)."""

ALWAYS = "NET_BIND_SERVICE"
"""Never dropped: containerd opens the ports below 1024 to every user of a pod (net.ipv4.ip_unprivileged_port_start)."""


class PolicyError(Exception):
    """A container that must not run as what it would be; the text is the kubelet's."""


def context(pod: Object, container: Object) -> Mapping[str, Any]:
    """The container's security context over the pod's."""
    return {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}


def uid(pod: Object, container: Object, image_user: int | str) -> int:
    """The user; PolicyError when ``runAsNonRoot`` forbids it."""
    merged = context(pod, container)
    chosen = merged.get("runAsUser")
    if merged.get("runAsNonRoot"):
        _refuse_root(chosen, image_user, f"(pod: {_quoted(node.full_name(pod))}, container: {container['name']})")
    if chosen is not None:
        return int(chosen)
    return image_user if isinstance(image_user, int) else NAMED


NAMED = 100
"""The number of an image's named user, the first that Alpine gives."""


def _refuse_root(chosen: int | None, image_user: int | str, where: str) -> None:
    if chosen == 0:
        raise PolicyError(f"container's runAsUser breaks non-root policy {where}")
    if chosen is None and image_user == 0:
        raise PolicyError(f"container has runAsNonRoot and image will run as root {where}")
    if chosen is None and isinstance(image_user, str):
        doubt = f"non-numeric user ({image_user}), cannot verify user is non-root"
        raise PolicyError(f"container has runAsNonRoot and image has {doubt} {where}")


def _quoted(text: str) -> str:
    return f'"{text}"'


def gid(pod: Object, container: Object) -> int:
    """The group."""
    return int(context(pod, container).get("runAsGroup") or 0)


def capabilities(container: Object) -> tuple[int, ...]:
    """Those that root keeps."""
    security = container.get("securityContext") or {}
    dropped = {name.removeprefix("CAP_") for name in (security.get("capabilities") or {}).get("drop") or []}
    return tuple(
        number for name, number in CAPABILITIES.items() if name == ALWAYS or not ("ALL" in dropped or name in dropped)
    )
