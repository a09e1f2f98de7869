"""What every pod of the node shares, and where a pod's files lie."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labkit.kube import api, marks, resources
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import catalogue, events, launching, persistent
from labkit.sandbox.network import addresses, pods

NAME = marks.SANDBOX_NODE
"""The node's name."""

PROXY = "istio-proxy"
"""The container that owns a pod's address when the pod is in the mesh."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The means a kubelet works with."""

    client: api.Api
    launcher: launching.Launcher
    catalogue: catalogue.Catalogue
    recorder: events.Recorder
    pool: addresses.Pool
    block: addresses.Block
    folder: Path
    """Where pods keep their files."""

    api_port: int
    root_ca: str
    """The API server's certificate authority, PEM."""

    stored: Callable[[str, str, str], Object | None]
    """A ConfigMap or Secret by kind, namespace and name."""

    services: Callable[[], Iterable[Object]]
    """All Services."""

    persistent: persistent.PersistentVolumes

    machine: list[str]
    """Paths of the machine that every container sees."""

    networks: pods.Networks
    """Of the node's pods."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A pod's files."""

    folder: Path

    def volume(self, name: str) -> Path:
        """One volume."""
        return self.folder / "volumes" / name

    def root(self, container: str) -> Path:
        """What stands for ``/`` of a container."""
        return self.folder / "containers" / container / "root"

    @property
    def run(self) -> Path:
        """Sockets of the pod's own, seen in all its containers at this same path."""
        return self.folder / "run"

    @property
    def agent(self) -> Path:
        """Sockets of its proxy's agent, seen in the container ``istio-proxy`` alone, at this same path."""
        return self.folder / "agent"

    def termination_message(self, container: str) -> Path:
        """What stands for the container's ``terminationMessagePath``."""
        return self.folder / "containers" / container / "termination-log"

    def log(self, container: str, life: int) -> Path:
        """Output of the life that began after so many restarts."""
        return self.folder / "containers" / container / f"{life}.log"


def has_proxy(pod: Object) -> bool:
    """Whether an Envoy owns the pod's address."""
    return any(c["name"] == PROXY for c in containers_of(pod))


def containers_of(pod: Object) -> list[Object]:
    """Init containers, then the others."""
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def debuggers_of(pod: Object) -> list[Object]:
    """Ephemeral containers."""
    return pod["spec"].get("ephemeralContainers") or []


def is_gateway(pod: Object) -> bool:
    """Whether its Envoy serves NodePorts itself (``proxy router``)."""
    return any(c["name"] == PROXY and (c.get("args") or [])[:2] == ["proxy", "router"] for c in containers_of(pod))


def grace_of(pod: Object) -> float:
    """Seconds between SIGTERM and SIGKILL."""
    seconds = pod["spec"].get("terminationGracePeriodSeconds")
    return 30.0 if seconds is None else float(seconds)


def full_name(pod: Object) -> str:
    """As the kubelet writes a pod in messages: ``name_namespace(uid)``."""
    return f"{resources.name_of(pod)}_{resources.namespace_of(pod)}({resources.uid_of(pod)})"
