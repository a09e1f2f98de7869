"""Which cluster the commands of this lab speak to: the sandbox, or one that ``./lab up`` was told to use.

The choice is a private file of the lab, so that every later command and every kernel has it. ``LABKIT_KUBECONFIG``,
``LABKIT_CONTEXT`` and ``LABKIT_NAMESPACE`` come before it, for one command or one terminal.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from labkit.base import private, settings

NAMESPACE = "default"
"""Where the course's application lives unless another namespace was named."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A cluster and a namespace in it."""

    kubeconfig: Path | None = None
    """The file; None for the sandbox of this lab."""

    context: str | None = None
    """A context in it; None for its current one."""

    namespace: str = NAMESPACE

    kind_cluster: str = ""
    """The name of the kind cluster that this lab has created; empty for all others."""

    def __str__(self) -> str:
        place = "" if self.namespace == NAMESPACE else f", namespace {self.namespace}"
        if self.kubeconfig is None:
            return f"the sandbox{place}"
        return f"{f'context {self.context} of ' if self.context else ''}{self.kubeconfig}{place}"


SANDBOX = Choice()


def current(paths: settings.Paths | None = None) -> Choice:
    """The choice of the environment, else the remembered one, else the sandbox."""
    if named := os.environ.get("LABKIT_KUBECONFIG"):
        return Choice(
            kubeconfig=Path(named).expanduser(),
            context=os.environ.get("LABKIT_CONTEXT") or None,
            namespace=os.environ.get("LABKIT_NAMESPACE") or NAMESPACE,
        )
    return remembered(paths or settings.Paths())


def remembered(paths: settings.Paths) -> Choice:
    """What the last ``./lab up`` chose; the sandbox where nothing can be read."""
    try:
        facts = json.loads(_file(paths).read_bytes())
        return Choice(
            kubeconfig=Path(facts["kubeconfig"]) if facts["kubeconfig"] else None,
            context=facts["context"],
            namespace=str(facts["namespace"]),
            kind_cluster=str(facts["kind_cluster"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return SANDBOX


def remember(paths: settings.Paths, choice: Choice) -> None:
    """Keep it for later commands; it counts in this process too, whatever the environment said before."""
    for name in ("LABKIT_KUBECONFIG", "LABKIT_CONTEXT", "LABKIT_NAMESPACE"):
        os.environ.pop(name, None)
    if choice == SANDBOX:
        forget(paths)
        return
    facts = {
        "kubeconfig": str(choice.kubeconfig) if choice.kubeconfig else None,
        "context": choice.context,
        "namespace": choice.namespace,
        "kind_cluster": choice.kind_cluster,
    }
    private.write(_file(paths), json.dumps(facts).encode())


def forget(paths: settings.Paths) -> None:
    """Back to the sandbox."""
    _file(paths).unlink(missing_ok=True)


def _file(paths: settings.Paths) -> Path:
    return paths.home / "cluster.json"
