"""``./lab bench kills``: kill -9 of each kind of process under load, and count what was lost.

Apart from the other measures, since 100 kills of every kind take an hour. What may be lost are requests in flight:
one for each of the load's connections.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.private import PrivateLab
from labkit.base import processes, settings, waiting
from labkit.cli import jupyter
from labkit.clusters import sandbox
from labkit.install import addons, gateway
from labkit.kube import resources, status

CONNECTIONS = 4
PAUSE = 0.02
"""Seconds between two requests of a connection: 200 requests a second at most, all together."""

PATH = "/api/v1/products/0/reviews"
"""Through the gateway, productpage, reviews and ratings."""

PATHS = {"details": "/api/v1/products/0"}
"""What is asked while a kind is killed that is not on ``PATH``."""

PATIENCE = 60.0
"""Seconds for a killed process to be replaced."""


@dataclass
class Tally:
    """What was counted for one kind of process."""

    kills: int = 0
    requests: int = 0
    failures: int = 0
    beyond: int = 0
    """Failures beyond those in flight, over all kills."""

    written: int = 0
    lost: int = 0
    """Objects that were acknowledged and are gone."""

    orphans: int = 0
    worst: float = 0.0
    """Seconds until everything served again, the longest."""

    notes: list[str] = field(default_factory=list)


class Load:
    """Requests through the gateway and new objects at the API, for as long as the context lasts."""

    def __init__(self, lab: PrivateLab, *, url: str, path: str) -> None:
        self._lab, self._url, self._path = lab, url, path
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.requests = self.failures = 0
        self.acknowledged: list[str] = []

    def __enter__(self) -> "Load":
        work = [self._ask] * CONNECTIONS + [self._write]
        self._threads = [threading.Thread(target=each) for each in work]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        host = urlsplit(self._url).netloc
        connection = http.client.HTTPConnection(host, timeout=10)
        while not self._over.wait(PAUSE):
            try:
                connection.request("GET", self._path)
                reply = connection.getresponse()
                reply.read()
                good = reply.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            with self._lock:
                self.requests += 1
                self.failures += not good

    def _write(self) -> None:
        number = 0
        while not self._over.wait(0.05):
            number += 1
            name = f"kept-{threading.get_ident()}-{number}"
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-public"}}
            with contextlib.suppress(status.StatusError, OSError):
                self._lab.client().create(resources.CONFIG_MAPS, body)
                self.acknowledged.append(name)


def container(lab: PrivateLab, labels: str, name: str, namespace: str) -> tuple[str, int]:
    """A pod with these labels, drawn, and the process of one of its containers."""

    def ready() -> list[resources.Object]:
        return [p for p in lab.client().list(resources.PODS, namespace, labels=labels) if is_ready(p)]

    until(ready, f"a pod with {labels}")
    pod = random.choice(ready())
    states = [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]
    (state,) = [s for s in states if s["name"] == name]
    return resources.name_of(pod), int(state["containerID"].removeprefix("process://"))


def is_ready(pod: resources.Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


Kill = Callable[[PrivateLab], Callable[[], object] | None]
"""Kills one process of its kind; what it returns tidies up once the load is over."""


def kill_container(labels: str, name: str, namespace: str = "default") -> Kill:
    """Kill a container's process; later replace its pod, so that back-off does not add up over a hundred kills."""

    def kill(lab: PrivateLab) -> Callable[[], object]:
        pod, pid = container(lab, labels, name, namespace)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not processes.is_alive(pid), "its end")
        return lambda: lab.kubectl("-n", namespace, "delete", "pod", pod)

    return kill


def kill_launcher(lab: PrivateLab) -> None:
    until(lambda: launchers(lab), "a launcher")
    (launcher,) = launchers(lab)
    os.kill(launcher, signal.SIGKILL)
    until(lambda: not processes.is_alive(launcher), "its end")


def launchers(lab: PrivateLab) -> list[int]:
    """The launcher of this lab's sandbox, unless it is being replaced."""
    parents, main = processes.parents(), main_process(lab)
    named = processes.running(["labkit.sandbox.kubelet.launcher"])
    return [one.pid for one in named if parents.get(one.pid) == main]


def kill_sandbox(lab: PrivateLab) -> None:
    main = main_process(lab)
    family = [processes.identity(pid) for pid in (main, *processes.children(main))]
    os.kill(main, signal.SIGKILL)
    until(lambda: not any(one.is_alive() for one in family), "the end of every process")
    sandbox.start(lab.paths)


def kill_jupyter(lab: PrivateLab) -> None:
    """Kill JupyterLab while a kernel of its runs; the next one has the same address, and the kernel is gone."""
    address = jupyter.start(lab.paths)
    facts = jupyter.running(lab.paths)
    assert facts is not None
    kernel = start_kernel(lab, facts["port"])
    os.kill(facts["pid"], signal.SIGKILL)
    assert jupyter.start(lab.paths) == address, "JupyterLab came back elsewhere"
    until(lambda: not kernel.is_alive(), "the end of the killed one's kernel")


def start_kernel(lab: PrivateLab, port: int) -> processes.Identity:
    """A kernel without a notebook, in the JupyterLab of this lab."""
    connection = http.client.HTTPConnection(jupyter.HOST, port, timeout=PATIENCE)
    headers = {"Authorization": f"token {jupyter.token(lab.paths)}"}
    connection.request("POST", "/api/kernels", body="{}", headers=headers)
    number = json.loads(connection.getresponse().read())["id"]
    words = ["-f", str(jupyter.runtime(lab.paths) / f"kernel-{number}.json")]
    until(lambda: processes.running(words), "a kernel")
    return processes.running(words)[0]


def kill_up(lab: PrivateLab) -> None:
    """Kill ``./lab up`` at a moment drawn from its whole run, then take everything down."""
    lab.down()
    command = [sys.executable, "-m", "labkit", "up", "--no-browser"]
    environment = os.environ | {"LABKIT_HOME": str(lab.paths.home)}
    unseen = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, cwd=settings.CHECKOUT, stdout=unseen, stderr=unseen) as up:
        with contextlib.suppress(subprocess.TimeoutExpired):
            up.wait(random.uniform(0.0, 10.0))
        up.kill()
    lab.down()


def main_process(lab: PrivateLab) -> int:
    facts = sandbox.running(lab.paths)
    assert facts is not None
    return int(facts["pid"])


def until(condition: Callable[[], object], what: str) -> None:
    waiting.until(condition, what=what, timeout=PATIENCE, next_step="./lab status", every=0.02)


def until_serving(lab: PrivateLab, path: str) -> None:
    """Every pod is ready, and the path answers."""

    def serves() -> bool:
        with contextlib.suppress(status.StatusError, OSError):
            pods = [p for p in lab.client().list(resources.PODS) if not p["metadata"].get("deletionTimestamp")]
            address = gateway.url(lab.client())
            return bool(address) and all(map(is_ready, pods)) and gateway.answers(f"{address}{path}")
        return False

    until(serves, "the lab")


KINDS: dict[str, Kill] = {
    "application": kill_container("app=reviews", "reviews"),
    "productpage": kill_container("app=productpage", "productpage"),
    "details": kill_container("app=details", "details"),
    "ratings": kill_container("app=ratings", "ratings"),
    "prometheus": kill_container("app.kubernetes.io/name=prometheus", "prometheus-server", "istio-system"),
    "sidecar": kill_container("app=reviews", "istio-proxy"),
    "gateway": kill_container("istio=ingressgateway", "istio-proxy", "istio-system"),
    "istiod": kill_container("app=istiod", "discovery", "istio-system"),
    "launcher": kill_launcher,
    "sandbox": kill_sandbox,
    "jupyterlab": kill_jupyter,
    "up": kill_up,
}

COSTS_IN_FLIGHT_ALONE = {"application", "sidecar", "gateway", "istiod", "prometheus", "jupyterlab", "launcher"}
"""An app of one copy is away until it is started again, as on any cluster. The sandbox's loss takes every pod along
until the next ``./lab up``."""


def survivors(paths: settings.Paths) -> list[str]:
    """Processes that name the lab's folder."""
    return [line for line in _lines() if str(paths.home) in line]


def _lines() -> Iterator[str]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                texts = [(folder / name).read_bytes() for name in ("cmdline", "environ")]
                yield f"{folder.name} {b' '.join(texts).decode(errors='replace')} {(folder / 'cwd').readlink()}"


def measure(lab: PrivateLab, kind: str, kills: int) -> Tally:
    """Kill that many of one kind, each under load; end with ``./lab down`` and a look for orphans."""
    tally, path = Tally(), PATHS.get(kind, PATH)
    lab.up()
    if kind == "prometheus":
        addons.install(lab.client(), "prometheus")
    before = {resources.name_of(o) for o in everything(lab)}
    acknowledged: set[str] = set()
    for number in range(kills):
        try:
            if kind == "up":
                kill_up(lab)
                tally.orphans += len(survivors(lab.paths))
                tally.kills += 1
                continue
            url = str(gateway.url(lab.client()))
            began = time.monotonic()
            with Load(lab, url=url, path=path) as load:
                tidy = KINDS[kind](lab)
                until_serving(lab, path)
            tally.worst = max(tally.worst, time.monotonic() - began)
            tally.kills += 1
            tally.requests += load.requests
            tally.failures += load.failures
            tally.beyond += max(0, load.failures - CONNECTIONS)
            acknowledged |= set(load.acknowledged)
            if tidy:
                tidy()
                until_serving(lab, path)
            if load.failures > CONNECTIONS and kind in COSTS_IN_FLIGHT_ALONE:
                tally.notes.append(f"kill {number}: {load.failures} failures")
        except Exception as e:
            tally.notes.append(f"kill {number}: {type(e).__name__}: {e}"[:300])
    lab.up()
    there = {resources.name_of(o) for o in everything(lab)}
    tally.written = len(acknowledged) + len(before)
    tally.lost = len((acknowledged | before) - there)
    lab.down()
    left = survivors(lab.paths)
    tally.orphans += len(left)
    tally.notes += [line[:200] for line in left]
    return tally


def everything(lab: PrivateLab) -> list[resources.Object]:
    """Objects that nobody but us makes or deletes."""
    kinds = (resources.CONFIG_MAPS, resources.SERVICES, resources.DEPLOYMENTS, resources.NAMESPACES)
    return [obj for kind in kinds for obj in lab.client().list(kind)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"{', '.join(KINDS)} (all)")
    parser.add_argument("--kills", type=int, default=100)
    given = parser.parse_args()
    failed = False
    columns = ("objects", "lost", "orphans", "requests", "failed", "beyond", "worst s")
    print(f"{'kind':<12}{'kills':>6}" + "".join(f"{column:>9}" for column in columns))
    for kind in given.kinds or KINDS:
        with PrivateLab() as lab:
            t = measure(lab, kind, given.kills)
        print(
            f"{kind:<12}{t.kills:>6}{t.written:>9}{t.lost:>9}{t.orphans:>9}{t.requests:>9}{t.failures:>9}{t.beyond:>9}"
            f"{t.worst:>9.1f}",
            *(f"\n    {note}" for note in t.notes),
            flush=True,
        )
        failed = failed or bool(t.lost or t.orphans or (t.beyond and kind in COSTS_IN_FLIGHT_ALONE))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
