"""What the rest of the kit knows of a cluster."""

from dataclasses import dataclass
from pathlib import Path

from labkit.kube import client, marks, resources, status

EVERYWHERE = frozenset({"kubectl", "routing", "splitting", "mtls", "logs"})
"""What every supported cluster can do."""

REAL_ONLY = frozenset({"ambient", "multi-cluster", "traffic-capture", "wasm"})
"""What needs a kernel's network namespaces, so never the sandbox."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A kubeconfig and what stands behind it."""

    kubeconfig: Path
    """The file; only ever read."""

    context: str | None = None
    """A context in it; None for its current one."""

    is_sandbox: bool = False
    """Whether pods are local processes of this machine."""

    def client(self) -> client.Client:
        """A client for it."""
        return client.Client.from_kubeconfig(self.kubeconfig, context=self.context)

    @property
    def capabilities(self) -> frozenset[str]:
        """Words that ``lab.can(word)`` answers."""
        return EVERYWHERE if self.is_sandbox else EVERYWHERE | REAL_ONLY


def of_kubeconfig(path: Path, *, context: str | None = None) -> Cluster:
    """The cluster of a kubeconfig; it is asked once whether it is a sandbox."""
    asked = client.Client.from_kubeconfig(path, context=context)
    try:
        node = asked.find(resources.NODES, marks.SANDBOX_NODE)
    except status.StatusError as e:
        if e.code not in (401, 403):
            raise
        node = None  # an ordinary user of a real cluster may not read nodes
    return Cluster(kubeconfig=path, context=context, is_sandbox=marks.is_sandbox(node))
