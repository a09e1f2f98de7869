"""What the rest of the kit knows of a cluster."""

from dataclasses import dataclass
from pathlib import Path

from labkit.base import choice
from labkit.clusters import capabilities, contexts
from labkit.kube import client


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A kubeconfig and what stands behind it."""

    kubeconfig: Path
    """The file; only ever read."""

    context: str | None = None
    """A context in it; None for its current one."""

    capabilities: frozenset[str] = capabilities.EVERYWHERE
    """Words that ``lab.can(word)`` answers."""

    def client(self) -> client.Client:
        """A client for it."""
        return client.Client.from_kubeconfig(self.kubeconfig, context=self.context)

    def can(self, capability: str) -> bool:
        """Whether it does that."""
        return capability in self.capabilities

    def __str__(self) -> str:
        if self.can(capabilities.LOCAL_PODS):
            return "sandbox"
        return f"cluster of {f'{self.context} in ' if self.context else ''}{self.kubeconfig}"


def of_sandbox(kubeconfig: Path) -> Cluster:
    """The sandbox that has written this kubeconfig."""
    return Cluster(kubeconfig=kubeconfig, capabilities=capabilities.SANDBOX)


def of_kubeconfig(path: Path, *, context: str | None = None) -> Cluster:
    """The cluster of a kubeconfig, which is asked once what it can do; without a name, of the context it must be."""
    named = contexts.chosen(path, contexts.read(path), named=context)
    api = client.Client.from_kubeconfig(path, context=named.name)
    return Cluster(kubeconfig=path, context=named.name, capabilities=capabilities.ask(api))


def of_choice(chosen: choice.Choice) -> Cluster:
    """The cluster that was chosen; not for the sandbox, which has to be started."""
    assert chosen.kubeconfig is not None
    return of_kubeconfig(chosen.kubeconfig, context=chosen.context)
