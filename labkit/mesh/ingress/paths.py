"""Paths of an Ingress as ``uri`` matches, and their order: the longer first, of one length the exact one."""

from collections.abc import Sequence

from labkit.kube.resources import Object

WILDCARDS = ("/*", ".*")
"""Endings by which a path without a type means a prefix."""


def uri(path_type: str | None, path: str) -> Object | None:
    """The match of a path; None where it fits every request."""
    if path_type == "Exact":
        return {"exact": path}
    if path_type == "Prefix":
        return {"prefix": path}
    if path in ("", *WILDCARDS):
        return None
    for ending in WILDCARDS:
        if path.endswith(ending):
            return {"prefix": path.removesuffix(ending)}
    return {"exact": path}


def in_order(routes: Sequence[Object]) -> list[Object]:
    """Routes of one host, the most specific first; routes of one length keep the order they came in."""
    return sorted(routes, key=_rank)


def _rank(route: Object) -> tuple[int, bool]:
    if not route.get("match"):
        return 0, True
    (kind, text), *_ = route["match"][0]["uri"].items()
    return -len(text), kind != "exact"
