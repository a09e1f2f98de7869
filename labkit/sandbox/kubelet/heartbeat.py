"""The Node object and the lease that says it is alive."""

import asyncio
import contextlib
import platform
from typing import Any

from labkit.base import versions
from labkit.kube import api, marks, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.kubelet import node
from labkit.sandbox.network import addresses

LEASE_SECONDS = 40
RENEW_EVERY = 10.0
"""Seconds between renewals of the lease, as the kubelet's."""

VERSION = versions.kubernetes()
"""The Kubernetes version that the sandbox imitates."""

LEASE_NAMESPACE = "kube-node-lease"

CAPACITY = {"cpu": "64", "ephemeral-storage": "1Ti", "memory": "256Gi", "pods": "250"}
"""What requests are held against, whatever the machine has: a pod is a light process here, and Istio's defaults
(100m and 128Mi a sidecar, 2Gi for istiod) would fill a small machine that runs them all with ease."""


def node_object() -> Object:
    """The node as it registers."""
    machine = {"aarch64": "arm64", "x86_64": "amd64"}.get(platform.machine(), platform.machine())
    labels = {
        "beta.kubernetes.io/arch": machine,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine,
        "kubernetes.io/hostname": node.NAME,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.NAME,
            "labels": labels,
            "annotations": {"node.alpha.kubernetes.io/ttl": "0", marks.SANDBOX_ANNOTATION: "true"},
        },
        "spec": {},
    }


def node_status(now: str, *, since: str, machine_id: str) -> Object:
    """Its status."""
    calm = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ]
    times_of = {"lastHeartbeatTime": now, "lastTransitionTime": since}
    conditions = [{"type": t, "status": "False", "reason": r, "message": m, **times_of} for t, r, m in calm]
    ready = {"reason": "KubeletReady", "message": "kubelet is posting ready status"}
    conditions.append({"type": "Ready", "status": "True", **ready, **times_of})
    return {
        "addresses": [
            {"type": "InternalIP", "address": addresses.NODE},
            {"type": "Hostname", "address": node.NAME},
        ],
        "allocatable": dict(CAPACITY),
        "capacity": dict(CAPACITY),
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "architecture": node_object()["metadata"]["labels"]["kubernetes.io/arch"],
            "bootID": machine_id,
            "containerRuntimeVersion": "process://1",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": machine_id,
            "operatingSystem": "linux",
            "osImage": f"labkit sandbox on {platform.system()}",
            "systemUUID": machine_id,
        },
    }


async def register(client: api.Api, *, machine_id: str) -> None:
    """Create the node or find it, and say that it is ready."""
    with contextlib.suppress(status.AlreadyExists):
        await client.create(resources.NODES, node_object(), manager="kubelet")
    now = times.now()
    body = {"status": node_status(now, since=now, machine_id=machine_id)}
    await client.patch(
        resources.NODES, node.NAME, None, body, type=api.STRATEGIC, subresource="status", manager="kubelet"
    )


async def renew(client: api.Api) -> None:
    """Keep the lease until cancelled."""
    while True:
        with contextlib.suppress(status.StatusError, OSError):
            await _renew_once(client)
        await asyncio.sleep(RENEW_EVERY)


async def _renew_once(client: api.Api) -> None:
    spec: dict[str, Any] = {
        "holderIdentity": node.NAME,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": times.now_micro(),
    }
    try:
        await client.patch(resources.LEASES, node.NAME, LEASE_NAMESPACE, {"spec": spec}, manager="kubelet")
    except status.NotFound:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": node.NAME, "namespace": LEASE_NAMESPACE},
            "spec": spec,
        }
        await client.create(resources.LEASES, lease, manager="kubelet")
