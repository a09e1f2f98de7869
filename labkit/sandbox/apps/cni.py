"""istio-cni's node agent, as far as ambient needs it: it decides which pods are in, and has the node redirect them.

In a cluster it moves iptables rules into each pod and hands the pod's network to ztunnel. Here the sandbox's node does
the redirection, asked over the door of this pod; the decision, the order of the steps and the annotation are Istio's.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.kube import aio, events, informer, resources, status
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment, ztunnel
from labkit.sandbox.network import door, sockets

log = logging.getLogger("cni-agent")

RETRY = 2.0
"""Seconds until a pod is tried again that could not be redirected."""

SETTLE = 0.3
"""Seconds that others get to hear that a pod has left, before the node's proxy stops listening for it."""

INSTEAD = "the sandbox's node redirects pods at their own sockets: there is no iptables and no network namespace here"


class Agent:
    """Follows namespaces and the node's pods; one task for each pod that must change."""

    def __init__(self, client: aio.Client, env: Mapping[str, str]) -> None:
        self._client, self._env = client, env
        self._namespaces = informer.Informer(client, resources.NAMESPACES)
        self._pods = informer.Informer(client, resources.PODS, fields=f"spec.nodeName={env['NODE_NAME']}")
        self._confirmed: set[str] = set()
        """Pods, by uid, that the node has redirected since this agent runs."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ready = asyncio.Event()

    def __repr__(self) -> str:
        return f"Agent({len(self._confirmed)} pods redirected, {len(self._tasks)} under way)"

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            for follower in (self._namespaces, self._pods):
                group.create_task(follower.run())
            await self._namespaces.synced.wait()
            await self._pods.synced.wait()
            self._namespaces.on_change(lambda old, new: self._look_at_all(resources.name_of(new or old or {})))
            self._pods.on_change(lambda old, new: self._look(new) if new else self._forget(old))
            for pod in self._pods.all():
                self._look(pod)
            log.info("watching %d pods of the node", len(list(self._pods.all())))

    def _look_at_all(self, namespace: str) -> None:
        for pod in self._pods.all():
            if resources.namespace_of(pod) == namespace:
                self._look(pod)

    def _forget(self, pod: Object | None) -> None:
        self._confirmed.discard(resources.uid_of(pod or {}))

    def _look(self, pod: Object) -> None:
        uid = resources.uid_of(pod)
        if uid not in self._tasks and self._must_change(pod):
            task = self._tasks[uid] = asyncio.get_running_loop().create_task(self._change(uid))
            task.add_done_callback(lambda _: self._done(uid))

    def _done(self, uid: str) -> None:
        self._tasks.pop(uid, None)
        # What changed meanwhile was passed over.
        if (pod := self._pod(uid)) is not None:
            self._look(pod)

    def _pod(self, uid: str) -> Object | None:
        return next((pod for pod in self._pods.all() if resources.uid_of(pod) == uid), None)

    def _must_change(self, pod: Object) -> bool:
        pod_status = pod.get("status") or {}
        if not pod_status.get("podIP") or pod_status.get("phase") in ("Succeeded", "Failed"):
            return False
        if "deletionTimestamp" in pod["metadata"]:
            return False
        if self._is_enrolled(pod):
            return not enrolment.is_redirected(pod) or resources.uid_of(pod) not in self._confirmed
        return enrolment.is_redirected(pod) or ztunnel.CAPTURED in resources.annotations_of(pod)

    def _is_enrolled(self, pod: Object) -> bool:
        return enrolment.of(pod, self._namespaces.get(resources.namespace_of(pod))).is_enrolled

    async def _change(self, uid: str) -> None:
        while (pod := self._pod(uid)) is not None and self._must_change(pod):
            try:
                await (self._add(pod) if self._is_enrolled(pod) else self._remove(pod))
                return
            except status.NotFound:
                return
            except (OSError, status.StatusError, AskError) as e:
                log.error("%s: %s; it is tried again in %g s", _title(pod), e, RETRY)
                await asyncio.sleep(RETRY)

    async def _add(self, pod: Object) -> None:
        await self._ask("join", pod)
        await self._annotate(pod, is_enrolled=True)
        self._confirmed.add(resources.uid_of(pod))
        log.info("%s is in ambient: %s", _title(pod), self._reason(pod))
        if (now := self._pod(resources.uid_of(pod))) and (text := ztunnel.kept(now)):
            log.warning("%s: %s", _title(pod), text)
            await events.record(
                self._client, now, component="istio-cni", reason="PortNotCaptured", message=text, type="Warning"
            )

    async def _remove(self, pod: Object) -> None:
        await self._ask("leave", pod)
        await self._annotate(pod, is_enrolled=False)
        await asyncio.sleep(SETTLE)
        await self._ask("forget", pod)
        self._confirmed.discard(resources.uid_of(pod))
        log.info("%s is no longer in ambient: %s", _title(pod), self._reason(pod))

    def _reason(self, pod: Object) -> str:
        return enrolment.of(pod, self._namespaces.get(resources.namespace_of(pod))).reason

    async def _annotate(self, pod: Object, *, is_enrolled: bool) -> None:
        change = {"metadata": {"annotations": enrolment.annotation(is_enrolled=is_enrolled)}}
        await self._client.patch(resources.PODS, resources.name_of(pod), resources.namespace_of(pod), change)

    async def _ask(self, what: str, pod: Object) -> None:
        folder = door.folder_of(self._env)
        if folder is None:
            raise AskError("this program runs outside a pod of the sandbox")
        question = {"ambient": what, "ip": pod["status"]["podIP"], "uid": resources.uid_of(pod)}
        link = sockets.connect(folder / door.SOCKET, within=5.0)
        link.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=link)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
        answer: dict[str, Any] = json.loads(line or b'{"error": "the node does not answer"}')
        if answer.get("error"):
            raise AskError(str(answer["error"]))


class AskError(Exception):
    """The node does not redirect a pod; the text says why."""


def _title(pod: Object) -> str:
    return f"pod {resources.namespace_of(pod)}/{resources.name_of(pod)}"


async def _serve(env: Mapping[str, str]) -> None:
    async with aio.Client.in_cluster(env) as client:
        task = asyncio.create_task(Agent(client, env).run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The ``install-cni`` image."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s\t%(levelname)s\t%(name)s\t%(message)s"
    )
    log.info("sandbox: %s", INSTEAD)
    asyncio.run(_serve(env))
    return 0
