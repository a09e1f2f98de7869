"""``./lab soak``: mixed traffic while routes, policies and the parts of the mesh change. Not part of ``./lab test``."""

import argparse
import contextlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from labkit.base import errors, settings
from labkit.kube.resources import Object

if TYPE_CHECKING:
    import pandas as pd

    from labkit.lab import Lab

SLICE = 10.0
"""Seconds of traffic that are judged together."""

SHADOW = 1.0
"""Seconds after the end of a disturbance in which an answer that is not 200 is put down to it.

A disturbance ends when every proxy has taken what is there now, however long that takes on this machine; the shadow is
for requests that were on their way.
"""

READY = 120.0
"""Seconds that a killed pod may take to be ready again."""

GROWTH = 0.15
"""How much more memory is still flat."""

FAILURES = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: soak-failures, namespace: istio-system}
spec:
  accessLogging:
  - providers: [{name: envoy}]
    filter: {expression: response.code != 200}
"""
"""Access logs of what is to be explained, and of nothing else."""

CERTIFICATE_LIFE = "15s"
"""How long a proxy's certificate lives while it soaks: with eight proxies one is renewed every second."""

PATHS = ("/productpage", "/api/v1/products/0/reviews")
KILL_EVERY, ISTIOD_EVERY = 12, 60
"""Seconds between kills of a pod or of a proxy in one, and between killed control planes."""

VICTIMS = (("reviews", "v1"), ("reviews", "v2"), ("ratings", "v1"), ("details", "v1"))


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``soak``."""
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second (200)")
    parser.add_argument("--seed", type=int, default=1, help="which pods are killed")


@dataclass
class Disturbance:
    """Something that was done to the mesh."""

    time: float
    what: str
    until: float = float("inf")
    """When what was killed was ready again; without an end while it is not."""


@dataclass(kw_only=True)
class Soak:
    """What has happened so far."""

    disturbances: list[Disturbance] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    asked: float = 0.0
    """Requests that there should have been, by the rate."""

    memory: list[float] = field(default_factory=list)
    """Mebibytes, a slice each."""

    certificates: dict[str, set[str]] = field(default_factory=dict)
    """Proxy → serial numbers of its own certificate that were seen."""

    @property
    def rotations(self) -> int:
        """How often a proxy was seen with another certificate than before."""
        return sum(len(serials) - 1 for serials in self.certificates.values())

    def judge(self, rows: "list[tuple[float, int, str]]") -> None:
        """Time, status and error of requests; what is not 200 is put down to a disturbance, or to none."""
        self.requests += len(rows)
        for moment, status, error in rows:
            if status == 200:
                continue
            cause = self.cause(moment)
            self.explained[cause] += bool(cause)
            self.unexplained[f"{status or 'none'} {error[:80]}, {self.since(moment)}"] += not cause

    def since(self, moment: float) -> str:
        """How long after the last disturbance was over a moment is."""
        over = [d for d in self.disturbances if d.until < moment]
        return (
            f"{moment - over[-1].until:.0f} s after {over[-1].what} and was ready again" if over else "before any kill"
        )

    def cause(self, moment: float) -> str:
        """The last disturbance whose shadow the moment is in; empty where there is none."""
        shading = [d.what for d in self.disturbances if d.time - 1.0 <= moment <= d.until + SHADOW]
        return shading[-1] if shading else ""

    @property
    def is_flat(self) -> bool:
        """Whether the second half weighs no more than the first one, by and large."""
        half = len(self.memory) // 2
        if half < 1:
            return True
        return max(self.memory[half:]) <= max(self.memory[:half]) * (1 + GROWTH)

    @property
    def is_good(self) -> bool:
        """No answer without an explanation, and no growth."""
        return not +self.unexplained and self.is_flat


def run(arguments: argparse.Namespace) -> int:
    """Soak, and print what was seen; 0 when nothing is unexplained and memory is flat."""
    from labkit.lab import Lab

    lab, soak = Lab.connect(), Soak()
    if not lab.can("local-pods"):
        raise errors.SetupError("soak kills pods: it runs on the sandbox only.", next_step="./lab up --cluster sandbox")
    lab.goto("07")
    lab.apply(FAILURES, quiet=True)
    _short_certificates(lab, CERTIFICATE_LIFE)
    end = time.time() + arguments.minutes * 60
    stop = threading.Event()
    disturber = threading.Thread(target=_disturb, args=(lab, soak, random.Random(arguments.seed), stop), daemon=True)
    disturber.start()
    try:
        for path in itertools.cycle(PATHS):
            if time.time() >= end:
                break
            frame = lab.send(path, rate=arguments.rate, duration=SLICE)
            before = sum(soak.unexplained.values())
            soak.asked += arguments.rate * SLICE
            soak.judge(_rows(frame))
            if sum(soak.unexplained.values()) > before:
                _show_failures(lab)
            soak.memory.append(_memory())
            _look_at_certificates(lab, soak)
            print(f"{max(0.0, end - time.time()):5.0f} s left, {_line(soak)}", flush=True)
    finally:
        stop.set()
        disturber.join(timeout=60)
        lab.reset()
        _short_certificates(lab, "")
    print(_summary(soak))
    return 0 if soak.is_good else 1


def _rows(frame: "pd.DataFrame") -> list[tuple[float, int, str]]:
    return [(row.time.timestamp(), int(row.status), str(row.error)) for row in frame.itertuples()]


def _show_failures(lab: "Lab") -> None:
    """The last lines about failures of the proxies on the way, with Envoy's own reason in each."""
    for name, namespace in (("istio-ingressgateway", "istio-system"), ("productpage-v1", "default")):
        command = f"logs deploy/{name} -n {namespace} -c istio-proxy --tail=200"
        failed = [line for line in lab.kubectl(command).text.splitlines() if " 503 " in line or " 500 " in line]
        print(*(f"      {name}: {line[:260]}" for line in failed[-3:]), sep="\n", flush=True)


def _memory() -> float:
    from labkit.clusters import sandbox

    return sum(p.pss_bytes for p in sandbox.process_table(settings.Paths())) / 1024 / 1024


def _short_certificates(lab: "Lab", life: str) -> None:
    """Have every proxy ask for certificates of this life, in new pods; empty for Istio's default of a day."""
    from labkit.install import istio
    from labkit.kube import resources

    config_map = lab.api.get(resources.CONFIG_MAPS, "istio", istio.NAMESPACE)
    mesh = yaml.safe_load(config_map["data"]["mesh"])
    mesh["defaultConfig"]["proxyMetadata"] = {"SECRET_TTL": life} if life else {}
    lab.api.patch(resources.CONFIG_MAPS, "istio", istio.NAMESPACE, {"data": {"mesh": yaml.safe_dump(mesh)}})
    _renew(lab, [resources.name_of(d) for d in lab.api.list(resources.DEPLOYMENTS, lab.namespace)])


def _renew(lab: "Lab", names: list[str]) -> None:
    """New pods for these Deployments, each before its old one goes."""
    from labkit.install import kinds
    from labkit.kube import resources

    template = {"metadata": {"annotations": {"soak.labkit.dev/restarted": str(time.time())}}}
    for name in names:
        lab.api.patch(resources.DEPLOYMENTS, name, lab.namespace, {"spec": {"template": template}})
    kinds.until_rolled_out(lab.api, names, lab.namespace, timeout=READY)


def _look_at_certificates(lab: "Lab", soak: Soak) -> None:
    """Note the serial number that each proxy shows."""
    for name in ("productpage", "reviews-v1", "details", "ratings"):
        with contextlib.suppress(errors.LabError, ValueError, LookupError):  # its pod is being made anew
            proxy = lab.proxy(name)
            chain = json.loads(proxy.ask("certs"))["certificates"][0]["cert_chain"][0]
            soak.certificates.setdefault(proxy.name, set()).add(chain["serial_number"])


def _disturb(lab: "Lab", soak: Soak, chance: random.Random, stop: threading.Event) -> None:
    """Every second another split and another policy; now and then a pod, a proxy or istiod is killed."""
    from labkit.cli import demo

    killed, restarted = time.time(), time.time()
    kills = itertools.cycle((_kill_pods, _kill_proxy))
    for second in itertools.count(1):
        if stop.wait(1.0):
            return
        share = chance.randrange(0, 101, 10)
        with contextlib.suppress(errors.LabError):  # nothing can be applied while istiod is away
            lab.apply([demo.weights(100 - share, share), *_policies(second)], quiet=True)
        if time.time() - killed >= KILL_EVERY:
            app, version = chance.choice(VICTIMS)
            _disturbed(lab, soak, next(kills), f"{app}-{version}", f"app={app},version={version}", "default")
            killed = time.time()
        if time.time() - restarted >= ISTIOD_EVERY:
            _disturbed(lab, soak, _kill_pods, "istiod", "app=istiod", "istio-system")
            restarted = time.time()


def _policies(second: int) -> list[dict[str, object]]:
    """Policies that change every second and refuse nothing that is sent here."""
    metadata = {"name": "soak", "namespace": "default"}
    rules = [{"to": [{"operation": {"notPaths": [f"/soak-{second}"]}}]}]
    kinds = {
        "AuthorizationPolicy": {"action": "ALLOW", "rules": rules},
        "PeerAuthentication": {"mtls": {"mode": ("STRICT", "PERMISSIVE")[second // 5 % 2]}},
    }
    group = {"apiVersion": "security.istio.io/v1", "metadata": metadata}
    return [{**group, "kind": kind, "spec": spec} for kind, spec in kinds.items()]


Kill = Callable[["Lab", str, str], Callable[[], bool]]
"""Kills by labels and namespace, and returns the question whether what was killed is ready again."""


def _disturbed(lab: "Lab", soak: Soak, kill: Kill, deployment: str, labels: str, namespace: str) -> None:
    """Kill, and note when it is ready again and every proxy knows."""
    from labkit.base import waiting

    what = f"the proxy of {deployment} was killed" if kill is _kill_proxy else f"{deployment} was killed"
    disturbance = Disturbance(time.time(), what)
    soak.disturbances.append(disturbance)
    next_step = f"kubectl -n {namespace} get pods -l {labels}"
    waiting.until(kill(lab, labels, namespace), what=f"{deployment} after its kill", timeout=READY, next_step=next_step)
    if kill is _kill_proxy:
        # The second crash of a container waits 10 s for its next life, the third 20 s: none shall be a second one.
        _renew(lab, [deployment])
    with contextlib.suppress(errors.LabError):
        lab.wait(deployment, namespace=namespace)
    disturbance.until = time.time()


def _kill_pods(lab: "Lab", labels: str, namespace: str) -> Callable[[], bool]:
    from labkit.clusters import forwarder
    from labkit.kube import resources

    killed = {resources.name_of(pod) for pod in lab.api.list(resources.PODS, namespace, labels=labels)}
    for name in killed:
        lab.api.delete(resources.PODS, name, namespace)
    # The Deployment's own status may speak of the old pod for a moment: another one has to be ready.
    return lambda: any(
        forwarder.is_ready(pod) and resources.name_of(pod) not in killed
        for pod in lab.api.list(resources.PODS, namespace, labels=labels)
    )


def _kill_proxy(lab: "Lab", labels: str, namespace: str) -> Callable[[], bool]:
    """End Envoy in its container, which the kubelet then starts again."""
    from labkit.clusters import forwarder
    from labkit.kube import resources

    before = {resources.name_of(p): _restarts(p) for p in lab.api.list(resources.PODS, namespace, labels=labels)}
    for name in before:
        lab.kubectl(f"exec {name} -n {namespace} -c istio-proxy -- kill 1")

    def is_back() -> bool:
        pods = lab.api.list(resources.PODS, namespace, labels=labels)
        return all(forwarder.is_ready(p) and _restarts(p) > before.get(resources.name_of(p), -1) for p in pods)

    return is_back


def _restarts(pod: Object) -> int:
    """How often the proxy of a pod was started again."""
    parts = ("containerStatuses", "initContainerStatuses")
    statuses = [status for part in parts for status in (pod.get("status") or {}).get(part) or ()]
    return sum(status.get("restartCount", 0) for status in statuses if status["name"] == "istio-proxy")


def _line(soak: Soak) -> str:
    bad = f"{sum(soak.explained.values())} explained, {sum(soak.unexplained.values())} unexplained"
    return f"{soak.requests} requests, {bad}, {soak.rotations} new certificates, {soak.memory[-1]:.0f} MiB"


def _summary(soak: Soak) -> str:
    done = f"{soak.requests} requests ({100 * soak.requests / (soak.asked or 1):.0f} % of those asked for)"
    lines = [f"{done}, {len(soak.disturbances)} kills, {soak.rotations} new certificates seen"]
    lines += [f"  {count} × not 200 after: {what}" for what, count in (+soak.explained).most_common()]
    lines += [f"  {count} × UNEXPLAINED: {what}" for what, count in (+soak.unexplained).most_common()]
    lines.append(
        f"  memory {min(soak.memory):.0f} to {max(soak.memory):.0f} MiB, {'flat' if soak.is_flat else 'GROWING'}"
    )
    return "\n".join(lines)
