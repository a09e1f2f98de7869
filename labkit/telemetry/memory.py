"""How much memory proxies and applications hold, by the summary page of each node's kubelet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.telemetry import workloads

if TYPE_CHECKING:
    import pandas as pd

ZTUNNEL = "ztunnel"
"""How the pods begin that carry the connections of a node."""

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Held:
    """What one container holds."""

    namespace: str
    pod: str
    container: str
    bytes: int

    @property
    def is_proxy(self) -> bool:
        """Whether it is a proxy of the mesh: a sidecar, gateway, waypoint or ztunnel."""
        return self.container == workloads.PROXY or self.pod.startswith(f"{ZTUNNEL}-")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of the proxies of the whole mesh, and of the applications of one namespace."""

    proxies: Sequence[Held]
    applications: Sequence[Held]

    def __repr__(self) -> str:
        return (
            f"proxies: {total(self.proxies)} MB in {len(self.proxies)} containers; "
            f"applications: {total(self.applications)} MB in {len(self.applications)}"
        )

    def table(self) -> "pd.DataFrame":
        """A row a container, the largest first: what, namespace, pod, container, MB."""
        import pandas as pd

        rows = [
            ("proxy" if held.is_proxy else "application", held.namespace, held.pod, held.container, held.bytes)
            for held in sorted((*self.proxies, *self.applications), key=lambda held: -held.bytes)
        ]
        frame = pd.DataFrame(rows, columns=["what", "namespace", "pod", "container", "MB"])
        frame["MB"] = (frame["MB"] / MEGABYTE).round(1)
        return frame


def total(containers: Sequence[Held]) -> int:
    """Megabytes, rounded."""
    return round(sum(held.bytes for held in containers) / MEGABYTE)


def of_pages(pages: Sequence[bytes], *, namespace: str) -> Memory:
    """From the ``/stats/summary`` of every node."""
    containers = [held for page in pages for held in _containers(json.loads(page))]
    return Memory(
        proxies=[held for held in containers if held.is_proxy],
        applications=[held for held in containers if held.namespace == namespace and not held.is_proxy],
    )


def _containers(page: Mapping[str, Any]) -> list[Held]:
    return [
        Held(
            namespace=pod["podRef"]["namespace"],
            pod=pod["podRef"]["name"],
            container=container["name"],
            bytes=int((container.get("memory") or {}).get("workingSetBytes") or 0),
        )
        for pod in page.get("pods") or []
        for container in pod.get("containers") or []
    ]
