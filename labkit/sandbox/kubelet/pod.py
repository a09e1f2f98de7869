"""One pod: its address, volumes and containers from binding to deletion."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

from labkit.kube import api, resources, status, times
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment
from labkit.sandbox.kubelet import (
    beneath,
    container,
    deadline,
    enrolling,
    links,
    node,
    podstatus,
    sharing,
    sources,
    tokens,
    volumes,
)
from labkit.sandbox.network import addresses, pods
from labkit.sandbox.proxy import credentials

MOUNT_RETRY = 1.0
"""Seconds until a volume that could not be filled is tried again."""

BLINK = 0.03
"""Seconds that a ready pod may be without readiness before anybody hears of it: a container that is back at
once costs the requests it had and no others."""

WRITE_RETRY = 0.5
"""Seconds until a status that could not be written is tried again."""


class Pod:
    """Runs one pod, known by its uid; ``begin`` once, ``update`` with every new version of the object."""

    def __init__(self, shared: node.Node, obj: Object, place: node.Place) -> None:
        self.shared, self.place = shared, place
        self.ip = (obj.get("status") or {}).get("podIP", "")
        self.pod = obj
        self.containers: dict[str, container.Container] = {}
        self.network: pods.Network | None = None
        self.redirected = asyncio.Event()
        """Set once istio-cni has put the pod into ambient."""
        self._has_network = False
        self._is_ending = False
        self._is_too_old = False
        self._is_dirty = asyncio.Event()
        self._tokens = tokens.Tokens(shared.client, obj)
        self._written: Object = obj.get("status") or {}
        self._start_time = times.now()
        self._work: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None
        self._age: asyncio.Task[None] | None = None
        self._lives: list[asyncio.Task[None]] = []
        self._deadline: deadline.Deadline | None = None
        self._agent: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"Pod({node.full_name(self.pod)}, ip={self.ip}, ending={self._is_ending})"

    # The API's side

    def begin(self) -> None:
        """Take an address and start working; a pod that is over is only remembered."""
        is_over = self._written.get("phase") in ("Succeeded", "Failed")
        if not is_over and (not self.ip or not self.shared.pool.claim(self.ip)):
            self.ip = self.shared.pool.allocate()
        self._writer = asyncio.create_task(self._write_on_change(), name=f"status {self!r}")
        self._work = asyncio.create_task(self._run(), name=f"pod {self!r}")

    def update(self, obj: Object) -> None:
        """A new version of the object."""
        self.pod = obj
        if enrolment.is_redirected(obj):
            self.redirected.set()
        for spec in node.containers_of(obj):
            if held := self.containers.get(spec["name"]):
                held.renew(spec)
        self._start_debuggers()
        if "deletionTimestamp" in obj["metadata"]:
            self.end(float(obj["metadata"].get("deletionGracePeriodSeconds") or 0))
        elif any(v.get("downwardAPI") or v.get("projected") for v in self._volumes) and self._has_network:
            self.refill()

    def end(self, grace: float) -> None:
        """Stop within ``grace`` seconds and remove the object; a second call can only hasten it."""
        if self._end is None:
            self._deadline = deadline.Deadline(grace)
            self._end = asyncio.create_task(self._terminate(self._deadline), name=f"end {self!r}")
        elif self._deadline:
            self._deadline.shorten(grace)

    async def until_gone(self) -> None:
        """Wait for the end that was begun."""
        if self._end:
            await self._end

    async def abandon(self, grace: float) -> None:
        """Stop the processes and keep the object as it is: the sandbox itself is stopping."""
        await self._stop_containers(deadline.Deadline(grace))
        self.shared.networks.close(self.ip)
        await self._cancel_tasks()

    # Status

    def changed(self) -> None:
        """Something that the status shows is different."""
        self._is_dirty.set()

    def event(self, reason: str, message: str, *, type: str = "Normal", container: str = "") -> None:
        """Record an event about the pod, or about one of its containers."""
        groups = ("initContainers", "ephemeralContainers")
        named = (g for g in groups if any(c["name"] == container for c in self.pod["spec"].get(g) or []))
        part = next(named, "containers")
        path = f"spec.{part}{{{container}}}" if container else ""
        self.shared.recorder.event(self.pod, reason, message, type=type, path=path)

    @property
    def addressed(self) -> Object:
        """The pod with its addresses, which the API may not have been told yet: for the downward API."""
        own = {"podIP": self.ip, "hostIP": addresses.NODE}
        return self.pod | {"status": (self.pod.get("status") or {}) | own}

    @property
    def linked(self) -> dict[str, str]:
        """Variables that tell of Services. The API server's own address, for want of a route to its ClusterIP."""
        own = {
            "KUBERNETES_SERVICE_HOST": addresses.NODE,
            "KUBERNETES_SERVICE_PORT": str(self.shared.api_port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(self.shared.api_port),
        }
        return links.variables(self.pod, self.shared.services()) | own

    def lookup(self, kind: str, name: str) -> Object | None:
        """A ConfigMap or Secret of the pod's namespace."""
        return self.shared.stored(kind, resources.namespace_of(self.pod), name)

    def _status(self) -> Object:
        scene = podstatus.Scene(
            now=times.now(),
            ip=self.ip,
            start_time=self._start_time,
            has_network=self._has_network,
            is_ending=self._is_ending,
            is_too_old=self._is_too_old,
        )
        seen = {name: held.observed for name, held in self.containers.items()}
        return podstatus.status_of(self._as_written, seen, scene)

    @property
    def _as_written(self) -> Object:
        """The pod with the status we wrote last, which the watch may not have shown us yet."""
        theirs = (self.pod.get("status") or {}).get("conditions") or []
        ours = self._written.get("conditions") or []
        types = {c["type"] for c in ours}
        conditions = [*ours, *(c for c in theirs if c["type"] not in types)]
        return self.pod | {"status": self._written | {"conditions": conditions}}

    async def _write_on_change(self) -> None:
        while True:
            await self._is_dirty.wait()
            # What happens in the same turn of the loop is one write.
            await asyncio.sleep(BLINK if self._loses_readiness() else 0)
            self._is_dirty.clear()
            try:
                await self._write()
            except status.NotFound:
                return
            except (status.StatusError, OSError):
                self._is_dirty.set()
                await asyncio.sleep(WRITE_RETRY)

    def _loses_readiness(self) -> bool:
        return _is_ready(self._written) and not _is_ready(self._status()) and not self._is_ending

    async def _write(self) -> None:
        current = self._status()
        changed = podstatus.changes(self._written, current)
        if not changed:
            return
        meta = self.pod["metadata"]
        await self.shared.client.patch(
            resources.PODS,
            meta["name"],
            meta["namespace"],
            {"metadata": {"uid": meta["uid"]}, "status": changed},
            type=api.STRATEGIC,
            subresource="status",
            manager="kubelet",
        )
        self._written = current

    # Reaching in

    @property
    def is_running(self) -> bool:
        """Whether any of its processes lives."""
        return any(held.process for held in self.containers.values())

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to ``localhost:PORT`` of the pod."""
        try:
            if self.network is None:
                raise ConnectionRefusedError("it has no network yet")
            return await self.network.streams(port)
        except OSError as e:
            uid = resources.uid_of(self.pod)
            raise OSError(
                f"error forwarding port {port} to pod {uid}, uid : failed to connect to localhost:{port} "
                f"inside the pod ({self.ip}): connect: connection refused"
            ) from e

    # Life

    async def _run(self) -> None:
        spec = self.pod["spec"]
        policy = spec.get("restartPolicy", "Always")
        self._know(spec, policy)
        if self._written.get("phase") in ("Succeeded", "Failed"):
            return
        self.changed()
        if seconds := spec.get("activeDeadlineSeconds"):
            self._age = asyncio.create_task(self._grow_old(float(seconds)), name=f"age of {self!r}")
        self.network = await self.shared.networks.open(
            self.addressed, self.ip, self.place.run, has_proxy=node.has_proxy(self.pod)
        )
        await self._fill_volumes()
        await enrolling.until_enrolled(self)
        await self._serve_credentials()
        if not await self.shared.launcher.isolates():
            for reason, message, kind in sharing.told(self.pod):
                self.event(reason, message, type=kind)
        self._has_network = True
        self._start_debuggers()
        self.changed()
        for init in spec.get("initContainers") or []:
            held = self.containers[init["name"]]
            if not await self._pass(held):
                await self._stop_sidecars(self._patience())
                return
        # Not gathered: when this task is cancelled, the containers live on until they are told to stop.
        await asyncio.wait([self._live(self.containers[c["name"]]) for c in spec["containers"]])
        await self._stop_sidecars(self._patience())
        await _cancelled(self._age)
        self.changed()

    async def _grow_old(self, seconds: float) -> None:
        """End the containers when the pod has been active for so long; it has failed then."""
        begun = times.parse((self.pod.get("status") or {}).get("startTime") or self._start_time)
        await asyncio.sleep(seconds - (datetime.now(UTC) - begun).total_seconds())
        self._is_too_old = True
        self.event(podstatus.DEADLINE, "Pod was active on the node longer than the specified deadline")
        self.changed()
        await self._stop_containers(self._patience())
        self.changed()

    def _know(self, spec: Object, policy: str) -> None:
        groups = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        before = {s["name"]: s for key in groups for s in self._written.get(key) or []}
        for c in node.containers_of(self.pod):
            is_init = c in (spec.get("initContainers") or [])
            own = "Always" if podstatus.is_sidecar(c) else policy
            if is_init and not podstatus.is_sidecar(c) and policy == "Always":
                own = "OnFailure"
            seed = podstatus.seed_of(before.get(c["name"]), times.now())
            self.containers[c["name"]] = container.Container(self, c, policy=own, seed=seed)
        for c in node.debuggers_of(self.pod):
            # One that ran is over: nobody starts it again.
            if (status := before.get(c["name"])) and (ended := podstatus.seed_of(status, times.now()).last):
                seed = podstatus.Observed(state=ended, container_id=status.get("containerID", ""))
                self.containers[c["name"]] = container.Container(self, c, policy="Never", seed=seed)

    def _start_debuggers(self) -> None:
        """Start ephemeral containers that were added."""
        for c in node.debuggers_of(self.pod):
            if self._has_network and not self._is_ending and c["name"] not in self.containers:
                added = container.Container(self, c, policy="Never", seed=podstatus.Observed())
                self.containers[c["name"]] = added
                self._live(added)
                self.changed()

    async def _pass(self, held: container.Container) -> bool:
        """Run one init container as far as the next one must wait for it; False when it failed for good."""
        life = self._live(held)
        if podstatus.is_sidecar(held.spec):
            began = asyncio.ensure_future(held.began.wait())
            await asyncio.wait({began, life}, return_when=asyncio.FIRST_COMPLETED)
            began.cancel()
            return held.began.is_set()
        await asyncio.wait([life])
        return bool((held.observed.state.get("terminated") or {}).get("exitCode") == 0)

    def _live(self, held: container.Container) -> asyncio.Task[None]:
        task = asyncio.create_task(held.supervise(), name=f"{held!r}")
        self._lives.append(task)
        return task

    # Volumes

    @property
    def _volumes(self) -> list[Object]:
        return self.pod["spec"].get("volumes") or []

    def shows(self, kind: str, name: str) -> bool:
        """Whether a volume shows this ConfigMap or Secret."""
        return (kind, name) in volumes.references(self._volumes)

    def refill(self) -> None:
        """Write the volumes again: something they show has changed."""
        if self._has_network:
            for volume in self._volumes:
                with contextlib.suppress(sources.MissingError, OSError):
                    self._fill(volume)

    async def renew_tokens(self) -> None:
        """Replace tokens that have little time left."""
        if self._has_network and await self._tokens.renew(volumes.tokens(self._volumes)):
            self.refill()

    async def _fill_volumes(self) -> None:
        asked = volumes.tokens(self._volumes)
        for volume in self._volumes:
            while True:
                try:
                    await self._tokens.get(asked)
                    await self._attach(volume)
                    self._fill(volume)
                    break
                except (sources.MissingError, status.StatusError, OSError) as e:
                    message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {e}'
                    self.event("FailedMount", message, type="Warning")
                    await asyncio.sleep(MOUNT_RETRY)

    async def _attach(self, volume: Object) -> None:
        """Let the volume of a claim be the persistent volume's folder."""
        if claim := volume.get("persistentVolumeClaim"):
            place = self.place.volume(volume["name"])
            target = await self.shared.persistent.folder(resources.namespace_of(self.pod), claim["claimName"])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(target)

    def _fill(self, volume: Object) -> None:
        if "persistentVolumeClaim" in volume:
            return
        folder = self.place.volume(volume["name"])
        content = volumes.files(self.addressed, volume, self.lookup, self._tokens.by_key)
        if content is None:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            volumes.write(folder, content)

    async def _serve_credentials(self) -> None:
        """Answer the pod's Envoy, which asks for its token and istiod's root."""
        proxy = next((c for c in node.containers_of(self.pod) if c["name"] == node.PROXY), None)
        if proxy is not None:
            service = credentials.Service(credentials.files(proxy, self.place.folder / "volumes"))
            self._agent = await service.listen(self.place.agent)

    # The end

    def _patience(self) -> deadline.Deadline:
        return deadline.Deadline(node.grace_of(self.pod))

    async def _terminate(self, until: deadline.Deadline) -> None:
        await _cancelled(self._work)
        self._is_ending = True
        await self._stop_containers(until)
        await self._cancel_tasks()
        with contextlib.suppress(status.StatusError, OSError):
            await self._write()
        meta = self.pod["metadata"]
        with contextlib.suppress(status.StatusError, OSError):
            await self.shared.client.delete(resources.PODS, meta["name"], meta["namespace"], grace=0, uid=meta["uid"])
        self.shared.networks.close(self.ip)
        self.shared.pool.release(self.ip)
        beneath.discard(self.place.folder)

    async def _stop_containers(self, until: deadline.Deadline) -> None:
        """The main containers at once, then the sidecars, last begun first; every preStop hook at the start."""
        await _cancelled(self._work)
        turn = asyncio.Event()
        sidecars = asyncio.create_task(self._stop_sidecars(until, turn=turn))
        names = {c["name"] for c in self.pod["spec"].get("initContainers") or [] if podstatus.is_sidecar(c)}
        await asyncio.gather(*(c.stop(until) for n, c in self.containers.items() if n not in names))
        turn.set()
        await sidecars

    async def _stop_sidecars(self, until: deadline.Deadline, *, turn: asyncio.Event | None = None) -> None:
        inits = self.pod["spec"].get("initContainers") or []
        chain = [self.containers[c["name"]] for c in reversed(inits) if podstatus.is_sidecar(c)]
        chain = [c for c in chain if c.name in self.containers]
        stops = []
        for held in chain:
            done = asyncio.Event()
            stops.append(asyncio.create_task(_stop_then(held, until, turn, done)))
            turn = done
        for stop in stops:
            await stop

    async def _cancel_tasks(self) -> None:
        if self._agent:
            self._agent.close()
        for task in [*self._lives, self._age, self._writer]:
            await _cancelled(task)


async def _stop_then(
    held: container.Container, until: deadline.Deadline, turn: asyncio.Event | None, done: asyncio.Event
) -> None:
    try:
        await held.stop(until, turn=turn)
    finally:
        done.set()


async def _cancelled(task: asyncio.Task[Any] | None) -> None:
    if task and not task.done():
        task.cancel()
        await asyncio.wait({task})


def _is_ready(status: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
