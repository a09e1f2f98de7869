"""The sandbox seen from outside: start it, stop it, say how it is."""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from labkit.base import errors, processes, programs, records, settings
from labkit.clusters import cluster
from labkit.kube import client, resources
from labkit.sandbox.proxy import agent

START_TIMEOUT = 30.0
"""Seconds until the API must answer; it takes half a second, a cold disk several."""

ROOM = 50 * 2**20
"""Bytes that must be free on the disk at a start: objects, their copy, logs and volumes take about 20 MiB."""

STOP_TIMEOUT = 20.0
"""Seconds for pods to end by themselves before they are killed."""


def running(paths: settings.Paths) -> dict[str, Any] | None:
    """``{"pid", "born", "port", "started", "notices"}`` of a sandbox that serves; None otherwise."""
    facts = _record(paths).read()
    if facts is None and (lost := _unrecorded(paths)):
        facts = _recovered(paths, lost[0])
    return facts if facts and facts.get("port") and _is_locked(paths) else None


def was_started(paths: settings.Paths) -> bool:
    """Whether a sandbox of this lab runs or ever did; one that was forgotten did not."""
    return running(paths) is not None or paths.kubeconfig.exists()


def _record(paths: settings.Paths) -> records.Record:
    return records.Record(path=paths.run / "sandbox.json")


def _unrecorded(paths: settings.Paths) -> list[processes.Identity]:
    """Sandboxes of this lab by their command line, for when the record is damaged or gone."""
    return processes.running(command(paths)[1:])


def _recovered(paths: settings.Paths, process: processes.Identity) -> dict[str, Any] | None:
    """The record that a damaged one was, as far as it can be told; None before the API has a port."""
    try:
        port = int((paths.state / "port").read_text())
    except (OSError, ValueError):
        return None
    facts = {"port": port, "started": time.time(), "notices": []}
    _record(paths).write(process, **facts)
    return {"pid": process.pid, "born": process.born, **facts}


def _is_locked(paths: settings.Paths) -> bool:
    """Whether a sandbox holds its lock, which the kernel takes from it however it ends."""
    try:
        with (paths.run / "sandbox.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def start(paths: settings.Paths) -> cluster.Cluster:
    """Bring the sandbox up, or find it up; what was applied before is there again."""
    if running(paths) is None:
        _check_room(paths)
        _spawn(paths)
    return cluster.of_sandbox(paths.kubeconfig)


def _check_room(paths: settings.Paths) -> None:
    paths.make()
    left = shutil.disk_usage(paths.home).free
    if left < ROOM:
        raise errors.SetupError(
            f"The disk of {paths.home} has {left / 2**20:.0f} MiB left; a lab needs {ROOM / 2**20:.0f}.",
            next_step="free some space, or put the lab elsewhere: LABKIT_HOME=/path/of/yours ./lab up",
        )


def notices(paths: settings.Paths) -> list[str]:
    """What a person should know of the last start: what was damaged, and what became of it."""
    facts = running(paths)
    return list(facts["notices"]) if facts else []


def command(paths: settings.Paths) -> list[str]:
    """The command line, which says whose sandbox it is."""
    return [sys.executable, "-m", "labkit.sandbox", "--home", str(paths.home)]


def _spawn(paths: settings.Paths) -> None:
    paths.make()
    stop(paths)  # one that an interrupted start left half-way
    agent.prepare_envoy()
    log = paths.logs / "sandbox.log"
    receiving, report = os.pipe()
    with os.fdopen(receiving, "rb") as reason:
        try:
            child = programs.start(
                [*command(paths), "--report", str(report)],
                log=log,
                env={"LABKIT_HOME": str(paths.home)},
                record=_record(paths).write,
                files=[report],
            )
        finally:
            os.close(report)
        _until_serving(paths, child, reason)


def _until_serving(paths: settings.Paths, child: programs.Detached, reason: BinaryIO) -> None:
    log = paths.logs / "sandbox.log"
    deadline = time.monotonic() + START_TIMEOUT
    client.load()
    while running(paths) is None:
        if child.poll() is not None:
            if text := reason.read().decode():
                raise errors.LabError(text)
            raise errors.SetupError(
                f"The sandbox stopped at once (exit code {child.returncode}). The end of {log}:\n{programs.tail(log)}",
                next_step="mend what it says; ./lab down --forget starts over with an empty cluster",
            )
        if time.monotonic() > deadline:
            raise errors.NotReadyError(
                "The sandbox", waited=START_TIMEOUT, last_seen=programs.tail(log), next_step=f"read {log}"
            )
        time.sleep(0.01)


def stop(paths: settings.Paths) -> bool:
    """Stop the sandbox and every pod, half-started ones too; False when none ran. What was applied stays on disk."""
    recorded = _record(paths).process()
    living = dict.fromkeys([*([recorded] if recorded else []), *_unrecorded(paths)])
    for process in living:
        processes.end(process, grace=STOP_TIMEOUT)
    _record(paths).forget()
    if _is_locked(paths):
        raise errors.SetupError(
            f"A sandbox still holds {paths.run / 'sandbox.lock'}, and its record is damaged.",
            next_step=f"fuser -k {paths.run / 'sandbox.lock'} ends it",
        )
    return bool(living)


def forget(paths: settings.Paths) -> None:
    """Delete everything a stopped sandbox has stored."""
    for folder in (paths.state, paths.kube_cache, paths.run, paths.logs):
        shutil.rmtree(folder, ignore_errors=True)
    paths.kubeconfig.unlink(missing_ok=True)


@contextlib.contextmanager
def one_at_a_time(paths: settings.Paths, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one ``up`` or ``down`` of this lab work at a time; a second one waits for the first, and says so."""
    paths.make()
    with (paths.run / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the sandbox."""

    pid: int
    name: str
    """``sandbox``, ``launcher`` or ``namespace/pod/container``."""

    pss_bytes: int
    """Its share of memory: pages used by several processes are divided among them."""


def process_table(paths: settings.Paths) -> list[Process]:
    """Every process of a running sandbox, largest first; empty when none runs."""
    serving = running(paths)
    if serving is None:
        return []
    main = int(serving["pid"])
    parents = processes.parents()
    pids = processes.descendants(main, parents)
    names = named(main, pids, parents, _containers(paths.kubeconfig))
    table = [Process(pid=p, name=names[p], pss_bytes=processes.pss(p) or 0) for p in (main, *pids)]
    return sorted(table, key=lambda p: -p.pss_bytes)


def named(main: int, pids: Sequence[int], parents: Mapping[int, int], containers: Mapping[int, str]) -> dict[int, str]:
    """What each process is; a program that a container started bears the container's name. Parents come first."""
    names = {main: "sandbox", **containers}
    for pid in pids:
        parent = parents.get(pid, main)
        names.setdefault(pid, "launcher" if parent == main else names.get(parent, "launcher"))
    return names


def _containers(kubeconfig: Path) -> dict[int, str]:
    pods = cluster.Cluster(kubeconfig=kubeconfig).client().list(resources.PODS)
    names = {}
    for pod in pods:
        place = f"{resources.namespace_of(pod)}/{resources.name_of(pod)}"
        state = pod.get("status", {})
        for container in [*state.get("initContainerStatuses", []), *state.get("containerStatuses", [])]:
            number = container.get("containerID", "").removeprefix("process://")
            if number.isdigit():
                names[int(number)] = f"{place}/{container['name']}"
    return names
