"""Whose an object is: on a cluster of somebody else's, what the kit did not make is neither changed nor taken away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labkit.base import errors
from labkit.clusters import capabilities
from labkit.install import kinds
from labkit.kube import client, marks, resources, status
from labkit.kube.resources import Object


@dataclass(frozen=True, kw_only=True)
class Division:
    """Objects that a manifest asks for, by what may become of them."""

    ours: list[Object] = field(default_factory=list)
    """New ones, and such as the kit made before."""

    foreign: list[Object] = field(default_factory=list)
    """Live ones of the same name that the kit did not make."""

    def __bool__(self) -> bool:
        return bool(self.foreign)

    @property
    def names(self) -> str:
        """The foreign ones: ``Deployment default/reviews-v1``."""
        return ", ".join(map(name_of, self.foreign))


class ForeignError(errors.LabError):
    """An apply would change objects that the kit did not make."""

    def __init__(self, names: str, *, next_step: str) -> None:
        super().__init__(
            f"The kit did not make {names}, so it changes nothing of it; nothing was applied.\nNext: {next_step}"
        )


def divide(api: client.Client, objects: Iterable[Object], *, namespace: str) -> Division:
    """The objects that may be applied, and the live ones that stand in the way of others.

    Where the cluster is there for the course alone, nothing is foreign.
    """
    listed = list(objects)
    if capabilities.OWNED in capabilities.ask(api):
        return Division(ours=listed)
    ours, foreign = [], []
    for obj in listed:
        live = _live(api, obj, namespace)
        if live is None or marks.is_ours(live):
            ours.append(obj)
        else:
            foreign.append(live)
    return Division(ours=ours, foreign=foreign)


def apply(api: client.Client, objects: Sequence[Object], *, namespace: str) -> str:
    """Apply what may be applied, as kubectl would; the names of what was left as it is, for a person."""
    division = divide(api, objects, namespace=namespace)
    kinds.apply_all(api, division.ours, namespace=namespace, as_kubectl=True)
    return division.names


def left_alone(names: str) -> str:
    """The sentence about them; empty for none."""
    return f"left alone, since the kit did not make it: {names}" if names else ""


def name_of(obj: Object) -> str:
    """``VirtualService default/reviews``, ``Namespace shop``."""
    place = resources.namespace_of(obj)
    return f"{obj['kind']} {f'{place}/' if place else ''}{resources.name_of(obj)}"


def _live(api: client.Client, obj: Object, namespace: str) -> Object | None:
    try:
        resource = kinds.resource_of(api, obj)
    except errors.ManifestError:
        return None  # a kind that is not served: applying says so
    try:
        live = api.find(resource, resources.name_of(obj), resources.namespace_of(obj) or namespace)
    except status.StatusError as e:
        if e.code != 403:
            raise
        return None  # what may not be read may not be written either, and the server says so
    return live and {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **live}
