"""The lab's own ``istioctl``, for machines that have no real one: the course's commands, with istioctl's flags,
columns and exit codes. It asks what a real one asks, through the Kubernetes API and forwarded ports, so it works on
any cluster; only what installs Istio is for the sandbox."""

from collections.abc import Sequence
from pathlib import Path

from labkit.base import programs

__all__ = ["run"]


def run(
    words: Sequence[str], *, kubeconfig: Path, context: str | None = None, namespace: str = "default", text: str = ""
) -> programs.Output:
    """Run a command line on a cluster; its words and its exit code. ``text`` is its standard input."""
    from labkit.istioctl import program  # Its commands import half of the kit, and ``./lab up`` needs the script alone.

    return program.run(words, kubeconfig=kubeconfig, context=context, namespace=namespace, text=text)
