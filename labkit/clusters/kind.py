"""A kind cluster that the lab creates for itself: one node, a pinned image, loopback ports, a kubeconfig of its own.

Each step looks at what is there and does what is missing, so an interrupted ``./lab up`` is finished by the next one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labkit.base import errors, ports, private, settings, versions, waiting
from labkit.clusters import capabilities, commands, engine, failures
from labkit.kube import client, resources

CREATE_TIMEOUT = 900.0
"""Seconds for the first creation: the node image is 350 MB, and the control plane takes a minute."""

SHORT = 30.0
READY_TIMEOUT = 120.0
"""Seconds for a node that was stopped to answer again."""

OnStep = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the lab remembers of the cluster that it creates."""

    name: str
    host_ports: Mapping[int, int]
    """Node ports, and the ports of 127.0.0.1 that are mapped to them."""

    is_created: bool = False
    """False until everything of the creation is done."""


def context(name: str) -> str:
    """The context that kind writes."""
    return f"kind-{name}"


def kubeconfig(paths: settings.Paths) -> Path:
    """The cluster's own kubeconfig, of the lab."""
    return paths.home / "kind-kubeconfig"


def recorded(paths: settings.Paths) -> Record | None:
    """What was remembered; None when the lab has created no cluster."""
    try:
        facts = json.loads(_file(paths).read_bytes())
        mapped = {int(node): int(host) for node, host in facts["host_ports"].items()}
        return Record(name=str(facts["name"]), host_ports=mapped, is_created=bool(facts["is_created"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def config(record: Record, *, image: str | None) -> str:
    """kind's configuration: no patches of kubeadm or containerd, which change with kind's releases."""
    node: dict[str, Any] = {
        "role": "control-plane",
        "extraPortMappings": [
            {"containerPort": node, "hostPort": host, "listenAddress": "127.0.0.1", "protocol": "TCP"}
            for node, host in record.host_ports.items()
        ],
    }
    if image:
        node["image"] = image
    document = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": record.name,
        "networking": {"apiServerAddress": "127.0.0.1"},
        "nodes": [node],
    }
    return yaml.safe_dump(document, sort_keys=False)


def free_ports(is_free: Callable[[str, int], bool] = ports.is_free) -> dict[int, int]:
    """Node ports with a free port of 127.0.0.1 each: the usual one, or the next that is free."""
    taken: set[int] = set()
    mapped = {}
    for entry in versions.pinned()["node_ports"].values():
        first = int(entry["preferred"])
        candidates = (port for port in range(first, first + 200) if port not in taken and is_free("127.0.0.1", port))
        host = next(candidates, 0)
        if not host:
            raise errors.SetupError(
                f"No port from {first} to {first + 199} of 127.0.0.1 is free.", next_step="close some programs"
            )
        taken.add(host)
        mapped[int(entry["node"])] = host
    return mapped


def ensure(paths: settings.Paths, machine: commands.Commands, *, on_step: OnStep = lambda _: None) -> client.Client:
    """The lab's kind cluster, created, started or found; its client once the API answers."""
    record = recorded(paths)
    name = record.name if record else str(versions.pinned()["cluster"])
    exists = name in _clusters(machine)
    if exists and record is None:
        raise errors.SetupError(
            f"There is a kind cluster {name} that this lab did not create.",
            next_step=f"./lab up --cluster context:{context(name)} uses it, kind delete cluster deletes it",
        )
    if exists and record and not record.is_created and not _answers(paths, name):
        on_step("delete what an interrupted creation left")
        delete(paths, machine)
        exists = False
    if not exists:
        record = Record(name=name, host_ports=free_ports())
        _create(paths, machine, record, on_step=on_step)
    assert record is not None
    if not _answers(paths, name):
        _start(paths, machine, name, on_step=on_step)
    api = client.Client.from_kubeconfig(kubeconfig(paths), context=context(name))
    _mark(api, record)
    _remember(paths, Record(name=name, host_ports=record.host_ports, is_created=True))
    return api


def delete(paths: settings.Paths, machine: commands.Commands) -> bool:
    """Delete the cluster that the lab has created; False when there is none."""
    record = recorded(paths)
    if record is None:
        return False
    if record.name in _clusters(machine):
        done = machine.run(["kind", "delete", "cluster", "--name", record.name], timeout=120.0)
        if done.code:
            raise failures.failure(f"kind could not delete the cluster {record.name}", done)
    _file(paths).unlink(missing_ok=True)
    kubeconfig(paths).unlink(missing_ok=True)
    return True


def _create(paths: settings.Paths, machine: commands.Commands, record: Record, *, on_step: OnStep) -> None:
    version = machine.run(["kind", "version"]).out
    image = versions.node_image(version)
    if image and engine.has(machine, image.partition("@")[0]) and not engine.has(machine, image):
        image = image.partition("@")[0]  # from a stick: an image that was loaded has lost its digest
    on_step(f"kind create cluster --name {record.name}" + (f" ({image.partition('@')[0]})" if image else ""))
    _remember(paths, record)
    words = ["kind", "create", "cluster", "--name", record.name, "--config", "-", "--wait", "180s"]
    done = machine.run(
        [*words, "--kubeconfig", str(kubeconfig(paths))], text=config(record, image=image), timeout=CREATE_TIMEOUT
    )
    if done.code:
        raise failures.failure("kind could not create the cluster", done)


def _start(paths: settings.Paths, machine: commands.Commands, name: str, *, on_step: OnStep) -> None:
    """A node of kind is a container, which a restart of the engine or of the machine leaves stopped."""
    node = f"{name}-control-plane"
    on_step(f"{engine.program()} start {node}")
    done = machine.run([engine.program(), "start", node], timeout=SHORT)
    if done.code:
        raise failures.failure(f"The node {node} does not start", done)
    machine.run(["kind", "export", "kubeconfig", "--name", name, "--kubeconfig", str(kubeconfig(paths))], timeout=SHORT)
    waiting.until(
        lambda: _answers(paths, name),
        what=f"the API of the kind cluster {name}",
        timeout=READY_TIMEOUT,
        next_step="./lab down --forget deletes the cluster, and the next ./lab up --cluster kind creates it anew",
        every=1.0,
    )


def _answers(paths: settings.Paths, name: str) -> bool:
    if not kubeconfig(paths).exists():
        return False
    try:
        api = client.Client.from_kubeconfig(kubeconfig(paths), context=context(name))
        return api.raw("GET", "/readyz", timeout=5.0)[0] == 200
    except errors.LabError:
        return False


def _mark(api: client.Client, record: Record) -> None:
    """Say in the cluster itself that it is there for the course, and where its node ports are on this machine."""
    mapped = ",".join(f"{node}={host}" for node, host in record.host_ports.items())
    annotations = {capabilities.OWNED_BY: "labkit", "labkit.dev/host-ports": mapped}
    api.patch(resources.NAMESPACES, "kube-system", None, {"metadata": {"annotations": annotations}})


def _clusters(machine: commands.Commands) -> list[str]:
    done = machine.run(["kind", "get", "clusters"], timeout=SHORT)
    if done.code:
        raise failures.failure("kind cannot say which clusters there are", done)
    return [line.strip() for line in done.out.splitlines() if line.strip()]


def _remember(paths: settings.Paths, record: Record) -> None:
    paths.make()
    mapped = {str(node): host for node, host in record.host_ports.items()}
    facts = {"name": record.name, "host_ports": mapped, "is_created": record.is_created}
    private.write(_file(paths), json.dumps(facts).encode())


def _file(paths: settings.Paths) -> Path:
    return paths.home / "kind.json"
