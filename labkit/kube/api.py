"""The Kubernetes API as our asynchronous programs use it.

Controllers, the kubelet and istiod are written against ``Api`` alone. Two things implement it:
``kube.aio.Client`` (HTTPS, any API server) and ``sandbox.apiserver.local.LocalApi`` (a call into the
sandbox's server in the same process). Both raise ``kube.status.StatusError`` and its kin.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from labkit.kube import resources
from labkit.kube.resources import Object

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Event(NamedTuple):
    """One event of a watch."""

    type: str
    """``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    object: Object
    """The object after the event; for DELETED, as it was last."""


class Api(Protocol):
    """Reads and writes objects; what is passed in or handed out belongs to the caller."""

    async def get(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object:
        """One object, or NotFound."""

    async def list(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Object:
        """The list object: ``items`` (each with kind and apiVersion) and ``metadata.resourceVersion``."""

    async def create(
        self, resource: resources.Resource, obj: Object, *, manager: str = "", dry_run: bool = False
    ) -> Object:
        """Store a new object in the namespace its metadata names; AlreadyExists if it is there."""

    async def replace(
        self,
        resource: resources.Resource,
        obj: Object,
        *,
        subresource: str | None = None,
        manager: str = "",
    ) -> Object:
        """PUT: Conflict if its resourceVersion is not the newest."""

    async def patch(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = MERGE,
        subresource: str | None = None,
        manager: str = "",
        force: bool = False,
    ) -> Object:
        """PATCH with one of the four content types above; ``force`` counts for APPLY only."""

    async def delete(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace: int | None = None,
        uid: str | None = None,
    ) -> None:
        """DELETE; ``uid`` is a precondition, ``grace`` is in seconds (0: gone at once)."""

    def watch(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        since: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[Event]:
        """Events after version ``since`` until the server ends the watch; Expired when that is too old."""
