"""Everything that the kit has made on a cluster, by its label; listed, and deleted when somebody has read the list."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from labkit.kube import client, marks, resources, status
from labkit.kube.resources import Object, Resource

COPIES = ("EndpointSlice", "Endpoints", "Event")
"""Kinds to which controllers copy the labels of a Service, or that go by themselves."""

FIRST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
"""Deleted first: what they guard could not be changed once their server is gone."""

LAST = ("Namespace", "CustomResourceDefinition")
"""Deleted last: what is in them, or of them, has been named by then."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One object with the kit's label."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.kind} {place}{self.name}"


def pieces(api: client.Client, namespace: str) -> list[Piece]:
    """Every object with the kit's label, in the order in which to delete; what has an owner goes with it.

    A user without rights in the whole cluster sees those of ``namespace``.
    """
    selector = f"{marks.LABEL}={marks.OWNER}"
    labelled = [
        Piece(resource=resource, namespace=resources.namespace_of(obj), name=resources.name_of(obj))
        for resource in deletable(api)
        for obj in _listed(api, resource, namespace, selector)
        if not obj["metadata"].get("ownerReferences")
    ]
    return sorted(labelled, key=lambda piece: (_rank(piece), str(piece)))


def delete(api: client.Client, listed: Sequence[Piece]) -> list[str]:
    """Delete them; a sentence for each one that could not be deleted."""
    problems = []
    for piece in listed:
        try:
            api.delete(piece.resource, piece.name, piece.namespace or None)
        except status.StatusError as e:
            problems.append(f"{piece} stays: {e}")
    return problems


def summary(listed: Iterable[Piece]) -> str:
    """A line a namespace: its objects by kind."""
    places: dict[str, dict[str, list[str]]] = {}
    for piece in listed:
        kinds = places.setdefault(piece.namespace or "the cluster", {})
        kinds.setdefault(piece.resource.kind, []).append(piece.name)
    lines = []
    for place, kinds in sorted(places.items()):
        lines.append(f"  in {place}:")
        lines += [f"    {kind:<25} {', '.join(sorted(names))}" for kind, names in sorted(kinds.items())]
    return "\n".join(lines)


def deletable(api: client.Client) -> Iterator[Resource]:
    """Every kind that the server lists and deletes, each in the version it prefers."""
    yield from _of_version(api, "/api/v1", "v1")
    code, _, body = api.raw("GET", "/apis")
    for group in json.loads(body).get("groups", []) if code == 200 else []:
        version = group["preferredVersion"]["groupVersion"]
        yield from _of_version(api, f"/apis/{version}", version)


def _of_version(api: client.Client, path: str, version: str) -> Iterator[Resource]:
    code, _, body = api.raw("GET", path)
    for entry in json.loads(body).get("resources", []) if code == 200 else []:
        can = {"list", "delete"} <= set(entry.get("verbs") or ())
        if can and "/" not in entry["name"] and entry["kind"] not in COPIES:
            yield Resource(
                api_version=version, kind=entry["kind"], plural=entry["name"], namespaced=entry["namespaced"]
            )


def _listed(api: client.Client, resource: Resource, namespace: str, selector: str) -> list[Object]:
    for place in (None, namespace) if resource.namespaced else (None,):
        try:
            return api.list(resource, place, labels=selector)
        except status.StatusError as e:
            if e.code not in (403, 404, 405):
                raise
    return []


def _rank(piece: Piece) -> int:
    if piece.resource.kind in FIRST:
        return 0
    return 1 if piece.resource.kind not in LAST else 2 + LAST.index(piece.resource.kind)
