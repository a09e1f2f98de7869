"""One container: its lives one after the other, its probes and its end."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from typing import Any, Protocol

from labkit.kube import times
from labkit.kube.resources import Object
from labkit.sandbox import apps
from labkit.sandbox.kubelet import (
    backoff,
    beneath,
    catalogue,
    deadline,
    filesystem,
    health,
    identity,
    launching,
    logs,
    memory,
    node,
    podstatus,
    pump,
    session,
    sources,
    stdio,
)
from labkit.sandbox.network import pods

NOT_FOUND = 127
"""Exit code for a command that does not exist."""

GRACE_AT_LEAST = 2.0
"""Seconds between SIGTERM and SIGKILL even when the pod says 0, as the kubelet's minimum."""

SHOWN_FAILED = 1.0
"""Seconds a failed pull is shown as ErrImagePull before it becomes ImagePullBackOff."""

MESSAGE_SHOWN = 4096
"""Bytes of a termination message that a status shows, as the kubelet's limit."""

CONFIG_RETRY = 2.0
"""Seconds until a missing ConfigMap or Secret is looked for again."""


class Owner(Protocol):
    """What a container needs of its pod."""

    shared: node.Node
    place: node.Place
    pod: Object
    ip: str
    network: pods.Network | None

    @property
    def addressed(self) -> Object: ...
    @property
    def linked(self) -> dict[str, str]: ...
    def changed(self) -> None: ...
    def event(self, reason: str, message: str, *, type: str = "Normal", container: str = "") -> None: ...
    def lookup(self, kind: str, name: str) -> Object | None: ...


class Container:
    """Runs one container of a pod; ``observed`` says how it is."""

    def __init__(self, owner: Owner, spec: Object, *, policy: str, seed: podstatus.Observed) -> None:
        self.owner, self.spec, self.policy = owner, spec, policy
        self.observed = seed
        self.process: launching.Process | None = None
        self.log: logs.Log | None = None
        self.began = asyncio.Event()
        """Set once it has started (startup probe passed) in its first life here."""
        self.over = asyncio.Event()
        """Set once it will never run again."""
        self.sessions: set[launching.Process] = set()
        """Processes of ``exec``."""
        self.stdio: stdio.Stdio | None = None
        """Input and terminal of the process."""
        self._command: launching.Command | None = None
        self._backoff = backoff.Backoff()
        self._was_lost = False
        self._ending: asyncio.Task[None] | None = None
        """An end of this life that is under way: its image has changed."""
        self._is_stopping = False
        self._is_too_big = False
        self._is_replaced = asyncio.Event()
        self.life = seed.restarts
        """Restarts before the life whose log is the newest."""

    def __repr__(self) -> str:
        return f"Container({self.name}, {next(iter(self.observed.state), 'new')}, {self.observed.restarts} restarts)"

    @property
    def name(self) -> str:
        """Its name within the pod."""
        return str(self.spec["name"])

    def see(self, **changes: Any) -> None:
        """Replace what is known."""
        new = dataclasses.replace(self.observed, **changes)
        if new != self.observed:
            self.observed = new
            self.owner.changed()

    # Lives

    async def supervise(self) -> None:
        """Live until the restart policy says it is over."""
        try:
            while True:
                began = asyncio.get_running_loop().time()
                code = await self._live(await self._ready_command())
                if self._is_stopping or not (self._takes_new_spec() or podstatus.restarts_after(self.policy, code)):
                    return
                await self._between_lives(asyncio.get_running_loop().time() - began)
        finally:
            self.over.set()

    def renew(self, spec: Object) -> None:
        """Take a changed spec (only the image can change): the present life ends, the next has it."""
        if spec["image"] == self.spec["image"]:
            self.spec = spec
            return
        self.spec, self._backoff = spec, backoff.Backoff()
        self._is_replaced.set()
        if self.process:
            why = f"Container {self.name} definition changed, will be restarted"
            self._ending = asyncio.create_task(self.end_life(self.process, why))

    def _takes_new_spec(self) -> bool:
        was_set = self._is_replaced.is_set()
        self._is_replaced.clear()
        return was_set

    async def _between_lives(self, lived: float) -> None:
        ended = self.observed.state
        # As after a crash of its node, a container that the launcher took along is started again at once.
        wait = 0.0 if self._was_lost else self._backoff.wait(lived)
        if not self._was_lost:
            self._backoff = self._backoff.after(lived)
        if wait:
            pod = node.full_name(self.owner.pod)
            message = f"back-off {backoff.go_duration(wait)} restarting failed container={self.name} pod={pod}"
            self.see(state={"waiting": {"reason": "CrashLoopBackOff", "message": message}}, last=ended)
            self.event("BackOff", f"Back-off restarting failed container {self.name} in pod {pod}", type="Warning")
            await self._pause(wait)
        self.see(last=ended, restarts=self.observed.restarts + 1)

    async def _pause(self, seconds: float) -> bool:
        """Wait, but not longer than until the spec is changed; whether it was."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_replaced.wait(), seconds)
        was_replaced = self._is_replaced.is_set()
        self._is_replaced.clear()
        return was_replaced

    async def _ready_command(self) -> launching.Command:
        program = await self._pulled()
        isolates = await self.owner.shared.launcher.isolates()
        while True:
            try:
                return session.command_of(self.owner, self.spec, program, isolates=isolates)
            except (sources.MissingError, filesystem.MountError, identity.PolicyError) as e:
                reason, message = "CreateContainerConfigError", str(e)
            except OSError as e:
                reason, message = "CreateContainerError", f"{e.strerror}: {e.filename}"
            self.see(state={"waiting": {"reason": reason, "message": message}})
            self.event("Failed", f"Error: {message}", type="Warning")
            await self._pause(CONFIG_RETRY)

    async def _pulled(self) -> catalogue.Program:
        wait = backoff.FIRST
        while True:
            image = self.spec["image"]
            try:
                return self.owner.shared.catalogue.pull(image)
            except catalogue.InvalidNameError as e:
                self.event("InspectFailed", str(e), type="Warning")
                self.event("Failed", "Error: InvalidImageName", type="Warning")
                self.see(state={"waiting": {"reason": "InvalidImageName", "message": str(e)}})
                await self._pause(wait)
                continue
            except catalogue.PullError as e:
                message = str(e)
            if self.spec.get("imagePullPolicy") == "Never":
                message = f'Container image "{image}" is not present with pull policy of Never'
                self.event("ErrImageNeverPull", message, type="Warning")
                self.event("Failed", "Error: ErrImageNeverPull", type="Warning")
                self.see(state={"waiting": {"reason": "ErrImageNeverPull", "message": message}})
                await self._pause(wait)
                continue
            self.event("Pulling", f'Pulling image "{image}"')
            self.event("Failed", f'Failed to pull image "{image}": {message}', type="Warning")
            self.event("Failed", "Error: ErrImagePull", type="Warning")
            self.see(state={"waiting": {"reason": "ErrImagePull", "message": message}})
            if await self._pause(SHOWN_FAILED):
                continue
            held = f'Back-off pulling image "{image}": ErrImagePull: {message}'
            self.event("BackOff", f'Back-off pulling image "{image}"')
            self.event("Failed", "Error: ImagePullBackOff", type="Warning")
            self.see(state={"waiting": {"reason": "ImagePullBackOff", "message": held}})
            await self._pause(wait)
            wait = min(wait * 2, backoff.MOST)

    async def _live(self, command: launching.Command) -> int:
        self._command = command
        if self.owner.network and apps.is_machines(command.entry):
            await self.owner.network.bridge(_declared(self.spec))
        self.log = self._new_log()
        began = times.now()
        self.event("Pulled", f'Container image "{self.spec["image"]}" already present on machine')
        try:
            session.refuse_missing(command)
            self.process, output = await self._start(command, self.log)
        except launching.StartError as e:
            self._was_lost = isinstance(e, launching.LostError)
            self.log.close()
            self.event("Failed", f"Error: {e}", type="Warning")
            self._record_end(began, 128, reason="StartError", message=str(e))
            return 128
        self.event("Created", "Container created")
        self.event("Started", "Container started")
        self.see(state={"running": {"startedAt": began}}, container_id=f"process://{self.process.pid}")
        watch = asyncio.create_task(health.watch(self, self.process), name=f"watch {self.name}")
        guard = asyncio.create_task(self._guard_memory(self.process), name=f"memory of {self.name}")
        try:
            code = await asyncio.shield(self.process.ended)
            self._was_lost = self.process.was_lost
        except asyncio.CancelledError:
            self.signal(signal.SIGKILL, group=True)
            raise
        finally:
            watch.cancel()
            guard.cancel()
            output.finish()
            self.log.close()
            if self.stdio:
                self.stdio.close()
            for other in self.sessions:
                self.owner.shared.launcher.signal(other, signal.SIGKILL, group=True)
            self.process = None
        self._record_end(began, code, reason=memory.KILLED if self._is_too_big and code == launching.KILLED else "")
        return code

    async def _guard_memory(self, process: launching.Process) -> None:
        """Kill the process when the container holds more than its limit."""
        self._is_too_big = False
        most = memory.limit(self.spec)
        while most and not self._is_too_big:
            await asyncio.sleep(memory.LOOK_EVERY)
            if memory.exceeds(process.pid, most):
                self._is_too_big = True
                self.owner.shared.launcher.signal(process, signal.SIGKILL, group=True)

    def _record_end(self, began: str, code: int, *, reason: str = "", message: str = "") -> None:
        ended: Object = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": began,
            "finishedAt": times.now(),
        }
        if self.observed.container_id:
            ended["containerID"] = self.observed.container_id
        if message := message or self._last_words(code):
            ended["message"] = message
        is_init_done = code == 0 and self.policy != "Always"
        self.see(state={"terminated": ended}, ready=is_init_done and self._is_init, started=False)

    @property
    def _is_init(self) -> bool:
        return any(c["name"] == self.name for c in self.owner.pod["spec"].get("initContainers") or [])

    def _last_words(self, code: int) -> str:
        """The termination message: what the program wrote for it, or the end of its log if that is asked for."""
        place = self.owner.place
        path = str(self.spec.get("terminationMessagePath") or "/dev/termination-log")
        with contextlib.suppress(OSError):
            if self._command and self._command.rootfs:
                written = beneath.read(place.folder, f"containers/{self.name}/termination-log", at_most=MESSAGE_SHOWN)
            else:
                written = beneath.read(place.root(self.name), path, at_most=MESSAGE_SHOWN)
            if written:
                return written.decode(errors="replace")
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and self.log:
            return logs.last_text(self.log.path, lines=80)[-2048:]
        return ""

    def _new_log(self) -> logs.Log:
        life = self.life = self.observed.restarts
        if life > 1:
            old = self.owner.place.log(self.name, life - 2)
            old.unlink(missing_ok=True)
            logs.older(old).unlink(missing_ok=True)
        return logs.Log(self.owner.place.log(self.name, life))

    async def _start(self, command: launching.Command, log: logs.Log) -> tuple[launching.Process, pump.Pump]:
        ends = stdio.Stdio(tty=bool(self.spec.get("tty")), stdin=bool(self.spec.get("stdin")))
        try:
            process = await self.owner.shared.launcher.start(command, ends.theirs)
        except BaseException:
            os.close(ends.output)
            ends.close()
            raise
        finally:
            ends.hand_over()
        self.stdio = ends
        return process, pump.Pump(ends.output, log.write)

    # Commands inside

    async def execute(self, argv: list[str], within: float) -> tuple[int, bytes]:
        """Run a command in the container: its exit code and output; TimeoutError after ``within`` seconds."""
        try:
            return await session.run(self, self.exec_command(argv), within)
        except launching.StartError as e:
            return NOT_FOUND, str(e).encode()

    def exec_command(self, argv: list[str], *, tty: bool = False) -> launching.Command:
        """The command as ``kubectl exec`` runs it; StartError when there is no such program."""
        if self._command is None or self.process is None:
            raise launching.StartError("the container is not running")
        return session.inside(self.owner, self.spec, self._command, argv, tty=tty, first=self.process)

    # The end

    def signal(self, number: int, *, group: bool = False) -> None:
        """Signal the process, if there is one."""
        if self.process:
            self.owner.shared.launcher.signal(self.process, number, group=group)

    async def stop(self, until: deadline.Deadline, *, turn: asyncio.Event | None = None) -> None:
        """End for good: preStop, SIGTERM when it is this container's ``turn``, SIGKILL at ``until``."""
        self._is_stopping = True
        if self.process is None:
            self.over.set()
            return
        self.event("Killing", f"Stopping container {self.name}")
        process = self.process
        await self._pre_stop(process, until)
        if turn:
            came = asyncio.ensure_future(turn.wait())
            await until.outlasts(came)
            came.cancel()
        await self._terminate(process, until)

    async def end_life(self, process: launching.Process, why: str, *, grace: float | None = None) -> None:
        """End this life only."""
        self.event("Killing", why)
        if grace is None:
            grace = node.grace_of(self.owner.pod)
        until = deadline.Deadline(grace)
        await self._pre_stop(process, until)
        await self._terminate(process, until)

    async def _pre_stop(self, process: launching.Process, until: deadline.Deadline) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if not hook or until.left <= 0:
            return
        task = asyncio.create_task(health.run_hook(self, hook, within=until.left))
        first = asyncio.ensure_future(_first(task, process.ended))
        await until.outlasts(first)
        first.cancel()
        if task.done() and not process.ended.done():
            good, message = task.result()
            if not good:
                self.event("FailedPreStopHook", f"PreStopHook failed: {message}", type="Warning")
        task.cancel()

    async def _terminate(self, process: launching.Process, until: deadline.Deadline) -> None:
        launcher = self.owner.shared.launcher
        launcher.signal(process, signal.SIGTERM)
        if until.left < GRACE_AT_LEAST:
            until = deadline.Deadline(GRACE_AT_LEAST)
        if not await until.outlasts(process.ended):
            launcher.signal(process, signal.SIGKILL, group=True)
            await asyncio.shield(process.ended)

    def event(self, reason: str, message: str, *, type: str = "Normal") -> None:
        """Record an event about this container."""
        self.owner.event(reason, message, type=type, container=self.name)


async def _first(*ended: asyncio.Future[Any]) -> None:
    await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)


def _declared(spec: Object) -> list[int]:
    return [int(p["containerPort"]) for p in spec.get("ports") or [] if p.get("protocol", "TCP") == "TCP"]
