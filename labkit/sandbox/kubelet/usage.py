"""How much memory containers hold, in the words of a kubelet's ``/stats/summary``.

A kubelet reads control groups, which need rights that the sandbox lacks; here it is the proportional share (PSS) of
the container's processes: pages that several processes map, as the program text of every Envoy, count once in all.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labkit.kube import resources, times
from labkit.sandbox.kubelet import memory, node, pod


def summary(pods: Iterable[pod.Pod]) -> dict[str, Any]:
    """The page, with a line for each container that runs; bytes."""
    listed = [_of_pod(held) for held in pods]
    return {
        "node": {"nodeName": node.NAME, "memory": _memory(sum(entry["memory"]["workingSetBytes"] for entry in listed))},
        "pods": listed,
    }


def _of_pod(held: pod.Pod) -> dict[str, Any]:
    sizes = {name: _bytes(c.process.pid) for name, c in held.containers.items() if c.process is not None}
    reference = {
        "name": resources.name_of(held.pod),
        "namespace": resources.namespace_of(held.pod),
        "uid": resources.uid_of(held.pod),
    }
    containers = [{"name": name, "memory": _memory(size)} for name, size in sizes.items()]
    return {"podRef": reference, "containers": containers, "memory": _memory(sum(sizes.values()))}


def _memory(size: int) -> dict[str, Any]:
    return {"time": times.now(), "usageBytes": size, "workingSetBytes": size, "rssBytes": size}


def _bytes(first: int) -> int:
    """Of a process and its descendants."""
    return sum(map(_share, memory.family(first)))


def _share(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
