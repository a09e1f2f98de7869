"""A small API in memory, and a kubelet on it."""

import asyncio
import contextlib
import copy
import threading
import uuid

import pytest

from labkit.base import settings
from labkit.kube import api, resources, status
from labkit.sandbox.kubelet import agent
from labkit.sandbox.network import addresses, pods, routes


def refusal(code, reason):
    return status.error_of({"code": code, "reason": reason, "message": reason})


class FakeApi:
    """Stores objects, tells watchers; merges statuses as a strategic patch would, as far as kubelets need."""

    def __init__(self):
        self.objects = {}
        self.version = 0
        self.watchers = []
        self.writes = []

    def _key(self, resource, namespace, name):
        return resource.plural, (namespace or "") if resource.namespaced else "", name

    def _tell(self, type, resource, obj):
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        for plural, queue in self.watchers:
            if plural == resource.plural:
                queue.put_nowait(api.Event(type, copy.deepcopy(obj)))

    async def get(self, resource, name, namespace=None):
        try:
            return copy.deepcopy(self.objects[self._key(resource, namespace, name)])
        except KeyError:
            raise refusal(404, "NotFound") from None

    async def list(self, resource, namespace=None, *, labels="", fields=""):
        items = [copy.deepcopy(o) for (plural, _, _), o in self.objects.items() if plural == resource.plural]
        return {"items": items, "metadata": {"resourceVersion": str(self.version)}}

    async def create(self, resource, obj, *, manager="", dry_run=False):
        obj = copy.deepcopy(obj)
        if resource.kind == "TokenRequest":
            return obj | {"status": {"token": f"token-{uuid.uuid4()}"}}
        meta = obj["metadata"]
        key = self._key(resource, meta.get("namespace"), meta["name"])
        if key in self.objects:
            raise refusal(409, "AlreadyExists")
        meta.setdefault("uid", str(uuid.uuid4()))
        obj.setdefault("kind", resource.kind)
        self.objects[key] = obj
        self._tell("ADDED", resource, obj)
        return copy.deepcopy(obj)

    async def replace(self, resource, obj, *, subresource=None, manager=""):
        key = self._key(resource, obj["metadata"].get("namespace"), obj["metadata"]["name"])
        self.objects[key] = copy.deepcopy(obj)
        self._tell("MODIFIED", resource, self.objects[key])
        return copy.deepcopy(obj)

    async def patch(
        self,
        resource,
        name,
        namespace,
        body,
        *,
        type=api.MERGE,
        subresource=None,
        manager="",
        force=False,
    ):
        obj = self.objects.get(self._key(resource, namespace, name))
        if obj is None:
            raise refusal(404, "NotFound")
        self.writes.append((resource.plural, name, body))
        merged = dict(obj.get("status") or {})
        for key, value in (body.get("status") or {}).items():
            if key == "conditions":
                by_type = {c["type"]: c for c in merged.get("conditions") or []}
                by_type |= {c["type"]: by_type.get(c["type"], {}) | c for c in value}
                merged[key] = [{k: v for k, v in c.items() if v is not None} for c in by_type.values()]
            else:
                merged[key] = value
        obj["status"] = merged
        for key, value in body.items():
            if key not in ("status", "metadata"):
                obj[key] = (obj.get(key) or {}) | value if isinstance(value, dict) else value
        self._tell("MODIFIED", resource, obj)
        return copy.deepcopy(obj)

    async def delete(self, resource, name, namespace=None, *, propagation=None, grace=None, uid=None):
        key = self._key(resource, namespace, name)
        if key not in self.objects:
            raise refusal(404, "NotFound")
        obj = self.objects[key]
        if resource is resources.PODS and grace != 0:
            seconds = obj["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            obj["metadata"]["deletionGracePeriodSeconds"] = seconds
            self._tell("MODIFIED", resource, obj)
            return
        del self.objects[key]
        self._tell("DELETED", resource, obj)

    async def watch(self, resource, namespace=None, *, since, labels="", fields=""):
        queue = asyncio.Queue()
        entry = (resource.plural, queue)
        self.watchers.append(entry)
        try:
            while True:
                yield await queue.get()
        finally:
            self.watchers.remove(entry)

    async def until(self, resource, name, namespace, accept, *, seconds=60):
        """The object (None when it is gone) as soon as ``accept`` takes it."""
        async with asyncio.timeout(seconds):
            queue = asyncio.Queue()
            entry = (resource.plural, queue)
            self.watchers.append(entry)
            try:
                while True:
                    obj = self.objects.get(self._key(resource, namespace, name))
                    with contextlib.suppress(KeyError, TypeError, IndexError, StopIteration):
                        if accept(obj):
                            return copy.deepcopy(obj)
                    await queue.get()
            finally:
                self.watchers.remove(entry)


def pod(name="one", image="busybox", command=("sleep", "infinity"), *, policy="Always", grace=1, **more):
    """A bound pod of one container; ``more`` goes into the container."""
    container = {"name": "app", "image": image, "command": list(command), **more}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": "sandbox",
            "restartPolicy": policy,
            "terminationGracePeriodSeconds": grace,
            "containers": [container],
        },
    }


def is_ready(obj):
    return next(c["status"] for c in obj["status"]["conditions"] if c["type"] == "Ready") == "True"


def state(obj, name="app"):
    statuses = obj["status"].get("initContainerStatuses", []) + obj["status"]["containerStatuses"]
    return next(s for s in statuses if s["name"] == name)


class NoServices:
    """A cluster in which nothing has a name."""

    leads = routes.Routes()

    def service_object(self, namespace, name):
        return None

    def slices_of(self, namespace, name):
        return ()

    def entry(self, host):
        return None

    def entry_endpoint(self, address, port):
        return None


@contextlib.asynccontextmanager
async def kubelet(client, home):
    """A running kubelet."""
    paths = settings.Paths(home=home)
    with addresses.hold_block() as block:
        running = agent.Kubelet(
            client,
            paths=paths,
            block=block,
            api_port=1,
            root_ca="",
            networks=pods.Networks(block, NoServices(), api_port=1),
        )
        task = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception():
                raise task.exception()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """One kubelet for all these pods, in a thread of its own: the loop, its API and itself."""
    loop, ready, stop, parts = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def serve():
        client = FakeApi()
        async with kubelet(client, tmp_path_factory.mktemp("node")) as running:
            parts.extend((client, running))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="kubelet")
    thread.start()
    assert ready.wait(20), "the kubelet did not start"
    yield loop, *parts
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def play(node):
    """Run a coroutine function of (api, kubelet) to its end; its pods are gone afterwards."""
    loop, client, running = node

    async def cleared():
        ends = list(running.pods.values())
        for known in ends:
            await client.delete(resources.PODS, resources.name_of(known.pod), "default", grace=0)
        for key in [key for key in client.objects if key[0] == "configmaps"]:
            del client.objects[key]
        async with asyncio.timeout(60):
            while running.pods:  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.01)
            for known in ends:
                await known.until_gone()

    def run(scene):
        try:
            return asyncio.run_coroutine_threadsafe(scene(client, running), loop).result(60)
        finally:
            asyncio.run_coroutine_threadsafe(cleared(), loop).result(60)

    return run
