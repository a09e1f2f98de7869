"""What a check found, in the words of the real plug-in."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from labkit.kube.resources import Object


class Violation(NamedTuple):
    """Why a pod does not meet a standard."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def containers(spec: Object) -> Iterator[Object]:
    """All containers: init, main, ephemeral."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or []


def secured(one: Object) -> dict[str, Any]:
    """The security context of a container or a pod's spec."""
    return one.get("securityContext") or {}


def quoted(words: Iterable[str]) -> str:
    """``"a", "b"``."""
    return ", ".join(f'"{word}"' for word in words)


def plural(number: int, one: str, many: str = "") -> str:
    """The word for so many."""
    return one if number == 1 else many or f"{one}s"


def named(names: list[str]) -> str:
    """``container "a"``, ``containers "a", "b"``."""
    return f"{plural(len(names), 'container')} {quoted(names)}"


def setters(of_pod: bool, names: list[str]) -> str:
    """``pod and container "a"``: who set something."""
    return " and ".join([*(["pod"] if of_pod else []), *([named(names)] if names else [])])


def is_windows(spec: Object) -> bool:
    """Whether it says that it is for Windows, where some checks mean nothing."""
    return (spec.get("os") or {}).get("name") == "windows"


def has_own_users(spec: Object) -> bool:
    """Whether its users are not the node's."""
    return spec.get("hostUsers") is False
