"""Namespaces: what each is given, and how one that is to go is emptied."""

import contextlib
from collections import Counter
from collections.abc import Mapping

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.deployment_status import condition
from labkit.sandbox.controllers.informers import Informers

MANAGER = "kube-controller-manager"
ROOT_CERTIFICATE = "kube-root-ca.crt"
LOOK_AGAIN = 0.1
"""Seconds between looks at a namespace whose objects are still going."""


class Namespaces:
    """Gives a namespace its ServiceAccount and the cluster's certificate; empties one that is to go."""

    def __init__(self, informers: Informers, *, root_ca: str) -> None:
        self._client, self._data = informers.client, {"ca.crt": root_ca}
        self._namespaces = informers.of(resources.NAMESPACES)
        self.queue = queue.Queue(self._sync, name="namespace")
        self._namespaces.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        for given in (resources.SERVICE_ACCOUNTS, resources.CONFIG_MAPS):
            informers.of(given).on_change(self._given_changed)

    def _given_changed(self, old: Object | None, new: Object | None) -> None:
        """What every namespace has comes back when it is deleted, and the certificate when it is changed."""
        if new is None and old is not None and resources.name_of(old) in ("default", ROOT_CERTIFICATE):
            self.queue.add(("", resources.namespace_of(old)))
        elif new is not None and resources.name_of(new) == ROOT_CERTIFICATE and new.get("data") != self._data:
            self.queue.add(("", resources.namespace_of(new)))

    async def _sync(self, key: informer.Key) -> None:
        namespace = self._namespaces.cache.get(key)
        if namespace is None:
            return
        if namespace["metadata"].get("deletionTimestamp"):
            await self._empty(namespace)
            return
        metadata = {"namespace": key[1]}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "name": "default"}}
        certificate = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                **metadata,
                "name": ROOT_CERTIFICATE,
                "annotations": {
                    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver "
                    "when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other "
                    "usage is guaranteed across distributions of Kubernetes clusters."
                },
            },
            "data": self._data,
        }
        for resource, obj in ((resources.SERVICE_ACCOUNTS, account), (resources.CONFIG_MAPS, certificate)):
            with contextlib.suppress(status.AlreadyExists):
                await self._client.create(resource, obj, manager=MANAGER)
        # The API server may have another authority than when the namespace was made.
        await self._client.patch(resources.CONFIG_MAPS, ROOT_CERTIFICATE, key[1], {"data": self._data}, manager=MANAGER)

    async def _empty(self, namespace: Object) -> None:
        name = resources.name_of(namespace)
        left: Counter[str] = Counter()
        finalizers: Counter[str] = Counter()
        for resource in self._client.kinds():
            if resource.namespaced:
                for obj in await self._delete_all(resource, name):
                    left[f"{resource.plural}.{resource.group}"] += 1
                    finalizers.update(obj["metadata"].get("finalizers") or ())
        if left:
            await self._report(namespace, left, finalizers)
            self.queue.add_later(("", name), LOOK_AGAIN)
            return
        body = {**namespace, "spec": {"finalizers": []}}
        with contextlib.suppress(status.NotFound):
            await self._client.replace(resources.NAMESPACES, body, subresource="finalize")

    async def _delete_all(self, resource: resources.Resource, namespace: str) -> list[Object]:
        """Delete every object of a kind; what is left of them."""
        try:
            listed: list[Object] = (await self._client.list(resource, namespace))["items"]
        except status.NotFound:
            return []  # its definition went a moment ago
        for obj in listed:
            if not obj["metadata"].get("deletionTimestamp"):
                with contextlib.suppress(status.NotFound):
                    await self._client.delete(resource, resources.name_of(obj), namespace, propagation="Background")
        if not listed:
            return []
        left: list[Object] = (await self._client.list(resource, namespace))["items"]
        return left

    async def _report(self, namespace: Object, left: Mapping[str, int], finalizers: Mapping[str, int]) -> None:
        previous = (namespace.get("status") or {}).get("conditions") or []
        current = conditions(previous, left, finalizers, now=times.now())
        if current != previous:
            body = {**namespace, "status": {**namespace["status"], "conditions": current}}
            with contextlib.suppress(status.Conflict, status.NotFound):
                await self._client.replace(resources.NAMESPACES, body, subresource="status", manager=MANAGER)


def conditions(
    previous: list[Object], left: Mapping[str, int], finalizers: Mapping[str, int], *, now: str
) -> list[Object]:
    """What the status of a namespace under deletion says about what is left in it."""
    remaining = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(left.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    finished = ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished")
    held_text = f"Some content in the namespace has finalizers remaining: {held}"
    rows = (
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            f"Some resources are remaining: {remaining}",
        ),
        (
            "NamespaceFinalizersRemaining",
            *(("True", "SomeFinalizersRemain", held_text) if finalizers else finished),
        ),
    )
    old = {c["type"]: c for c in previous}
    return [condition(kind, *row, old=old.get(kind), now=now, updates=False) for kind, *row in rows]
