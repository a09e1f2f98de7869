"""A pod of ambient waits for istio-cni before its containers begin; nobody else does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.kube.resources import Object
from labkit.sandbox.kubelet import enrolling
from labkit.sandbox.network import ambient

MODE = "istio.io/dataplane-mode"


@dataclass
class Pod:
    """What the wait asks of a pod; its namespace may change meanwhile."""

    labels: dict[str, str] = field(default_factory=dict)
    of_namespace: dict[str, str] = field(default_factory=lambda: {MODE: "ambient"})
    containers: tuple[str, ...] = ("app",)
    is_installed: bool = True

    def __post_init__(self) -> None:
        self.redirected = asyncio.Event()
        self.events: list[str] = []
        self.told = asyncio.Event()
        self.shared = SimpleNamespace(
            client=self, networks=SimpleNamespace(has_ambient=self._has_ambient, obstacle=lambda: "the reason")
        )

    @property
    def pod(self) -> Object:
        meta = {"name": "web", "namespace": "shop", "uid": "u1", "labels": self.labels}
        return {"metadata": meta, "spec": {"containers": [{"name": name} for name in self.containers]}}

    async def _has_ambient(self) -> bool:
        return self.is_installed

    async def get(self, *_: Any) -> Object:
        return {"metadata": {"name": "shop", "labels": self.of_namespace}}

    def event(self, reason: str, message: str, *, type: str) -> None:
        self.events.append(f"{type} {reason} {message}")
        self.told.set()


def wait_for(pod: Pod, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    async def scene() -> None:
        task = asyncio.create_task(enrolling.until_enrolled(pod, within=0.0, look_again=0.001))  # type: ignore[arg-type]
        if meanwhile is not None:
            await meanwhile()
        await asyncio.wait_for(task, 30)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(Pod(is_installed=False), id="ambient is not installed"),
        pytest.param(Pod(of_namespace={}), id="neither label"),
        pytest.param(Pod(labels={MODE: "none"}), id="the pod's own label"),
        pytest.param(Pod(containers=("app", "istio-proxy")), id="a pod with a sidecar"),
    ],
)
def test_a_pod_outside_ambient_begins_at_once(pod: Pod) -> None:
    wait_for(pod)
    assert pod.events == []


def test_a_pod_begins_when_it_is_redirected_and_says_before_why_it_is_not() -> None:
    pod = Pod()

    async def redirect_later() -> None:
        await pod.told.wait()
        pod.redirected.set()

    wait_for(pod, redirect_later)
    kind, reason, message = pod.events[0].split(" ", 2)
    assert (kind, reason) == ("Warning", "FailedCreatePodSandBox")
    assert message.endswith(
        '"istio-cni" failed (add): istio-cni cmdAdd failed to contact node Istio CNI agent: the reason'
    )


def test_a_pod_whose_namespace_leaves_ambient_waits_no_longer() -> None:
    pod = Pod()

    async def leave() -> None:
        await pod.told.wait()
        pod.of_namespace = {}

    wait_for(pod, leave)
    assert not pod.redirected.is_set()


def node_pod(is_ready: bool, **labels: str) -> Object:
    ready = {"type": "Ready", "status": str(is_ready)}
    named = {name.replace("_", "-"): value for name, value in labels.items()}
    return {"metadata": {"namespace": "istio-system", "labels": named}, "status": {"conditions": [ready]}}


@pytest.mark.parametrize(
    ("agent", "ztunnel", "obstacle"),
    [
        pytest.param(False, True, ambient.NO_AGENT, id="the agent is away"),
        pytest.param(True, False, ambient.NO_ZTUNNEL, id="ztunnel is away"),
        pytest.param(True, True, ambient.SLOW, id="neither"),
    ],
)
def test_what_keeps_a_pod_out_is_named(agent: bool, ztunnel: bool, obstacle: str) -> None:
    pods = [node_pod(agent, k8s_app="istio-cni-node"), node_pod(ztunnel, app="ztunnel")]
    assert ambient.obstacle(pods) == obstacle
