"""Ambient beside sidecars in one run: memory of the proxies, requests a second, and pods that join and leave."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit.install import ambient, dataplane, kinds
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment
from labkit.sandbox.apps import calls, channel
from labkit.sandbox.network import door
from tests.acceptance.ambient import calling

MEMORY_BAR = 0.75
"""Of the sidecars' memory."""

NAMESPACE, MANY = "default", "many"
URL = "http://details:9080/details/0"
SECONDS, ROUNDS, WORKERS = 2.0, 3, 8
PODS = 200
WITHIN = 300.0
MEGABYTE = 1_000_000


def measure(lab: PrivateLab) -> list[result.Result]:
    """Bookinfo with sidecars, then in ambient, then behind a waypoint; at last 200 pods there and back."""
    sidecars, with_sidecars = _memory(lab), _rates(lab)
    api = lab.client()
    ambient.install(api)
    dataplane.ensure(api, NAMESPACE, dataplane.AMBIENT)
    node, in_ambient = _memory(lab), _rates(lab)
    lab.lab("istioctl", "waypoint", "apply", "--enroll-namespace", "--wait", timeout=120.0)
    both, behind_waypoint = _memory(lab), _rates(lab)
    rates: Mapping[str, list[float]] = {
        "with sidecars": with_sidecars,
        "in ambient": in_ambient,
        "in ambient behind a waypoint": behind_waypoint,
    }
    results = [
        result.Result(name="Bookinfo, memory of sidecars", value=sidecars / MEGABYTE, unit="MB PSS"),
        result.Result(
            name="Bookinfo, memory of ambient beside it",
            value=node / sidecars,
            at_most=MEMORY_BAR,
            note=f"{node / MEGABYTE:.0f} MB: the Envoy in ztunnel's place and istio-cni's program",
        ),
        result.Result(name="the same with a waypoint", value=both / sidecars, at_most=MEMORY_BAR),
        *(result.median(f"productpage to details {way}", r, unit="requests/s") for way, r in rates.items()),
    ]
    return [*results, *_joined(lab)]


def _memory(lab: PrivateLab) -> float:
    """Bytes of what carries the mesh for pods: sidecars, the node's proxy and istio-cni, waypoints."""
    time.sleep(2.0)
    every = lab.status()["processes"]
    return float(sum(p["pss_bytes"] for p in every if _carries(p["name"])))


def _carries(name: str) -> bool:
    is_proxy = name.endswith(("istio-proxy", "install-cni"))
    return is_proxy and "ingressgateway" not in name


def _rates(lab: PrivateLab) -> list[float]:
    pods = lab.client().list(resources.PODS, NAMESPACE, labels="app=productpage")
    own = next(pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    env = {door.FOLDER: str(_folder(lab, own))}
    asyncio.run(_rate(env, 0.5))
    return [asyncio.run(_rate(env, SECONDS)) for _ in range(ROUNDS)]


async def _rate(env: Mapping[str, str], seconds: float) -> float:
    outcomes: list[calls.Outcome] = []
    began = time.monotonic()
    await calls.run(channel.call("GET", URL, env=env), calls.Plan(workers=WORKERS, duration=seconds), outcomes.append)
    took = time.monotonic() - began
    bad = [o for o in outcomes if o.reply is None or o.reply.status != 200]
    if bad:
        raise RuntimeError(f"{len(bad)} of {len(outcomes)} answers of {URL} were not 200")
    return len(outcomes) / took


def _folder(lab: PrivateLab, pod: Object) -> Path:
    return lab.paths.state / "pods" / resources.uid_of(pod) / "run"


def _joined(lab: PrivateLab) -> list[result.Result]:
    api = lab.client()
    kinds.apply_all(api, manifests.parse(_MANY, source="many.yaml"))
    kinds.until_rolled_out(api, ["echo"], MANY, timeout=WITHIN)
    pods = api.list(resources.PODS, MANY)
    folders = [_folder(lab, pod) for pod in pods]
    targets = [("echo.many.svc.cluster.local", 8000), *((pod["status"]["podIP"], 8080) for pod in pods)]
    took = []
    with calling.calling(folders, targets) as counted:
        for value, number in ((enrolment.AMBIENT, len(pods)), (None, 0)):
            began = time.monotonic()
            api.patch(resources.NAMESPACES, MANY, None, {"metadata": {"labels": {enrolment.MODE: value}}})
            while sum(map(enrolment.is_redirected, api.list(resources.PODS, MANY))) != number:
                if time.monotonic() - began > WITHIN:
                    raise TimeoutError(f"not {number} pods in ambient after {WITHIN:.0f} s")
                time.sleep(0.5)
            took.append(time.monotonic() - began)
    note = f"{counted.good} good ones; joined in {took[0]:.1f} s, left in {took[1]:.1f} s"
    api.delete(resources.NAMESPACES, MANY)
    name = f"{len(pods)} pods join and leave: failed requests"
    return [result.Result(name=name, value=len(counted.failed), at_most=0, note=note)]


_MANY = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {MANY}}}
---
apiVersion: v1
kind: Service
metadata: {{name: echo, namespace: {MANY}}}
spec: {{ports: [{{name: http, port: 8000, targetPort: 8080}}], selector: {{app: echo}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: echo, namespace: {MANY}}}
spec:
  replicas: {PODS}
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: httpbin, image: "mccutchen/go-httpbin:v2.15.0", ports: [{{containerPort: 8080}}]}}]
"""
