"""URLs of the API, taken apart."""

from dataclasses import dataclass

_OF_NAMESPACES = ("status", "finalize")
"""Subresources of a Namespace itself; any other word there names a resource inside it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a path under /api or /apis names."""

    group: str
    version: str
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource, for proxies."""

    watch: bool = False
    """Whether the path is one of the old ``…/watch/…`` form."""


def target(path: str) -> Target | None:
    """``/apis/apps/v1/namespaces/n/deployments/d/scale`` taken apart; None for paths of another kind."""
    parts = path.removeprefix("/").rstrip("/").split("/")
    if parts[0] == "api" and len(parts) >= 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    watch = bool(rest) and rest[0] == "watch"
    rest = rest[1:] if watch else rest
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (rest[2] not in _OF_NAMESPACES or len(rest) > 3):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    return Target(
        group=group,
        version=version,
        plural=plural,
        namespace=(plural == "namespaces" and name) or namespace,
        name=name,
        subresource=subresource,
        rest="/".join(rest[3:]),
        watch=watch,
    )
