"""istioctl on this lab's cluster, as a practitioner types it: a real one where the machine has one, else the lab's."""

import shlex
import subprocess
from collections.abc import Sequence

from labkit import istioctl
from labkit.base import programs, settings
from labkit.clusters.cluster import Cluster
from labkit.istioctl import shim
from labkit.lab.kubectl import KubectlError
from labkit.views import results

TIMEOUT = 180.0
"""Seconds; installing on a slow machine takes the longest."""


INSTALLING = ("install", "apply", "upgrade", "uninstall", "manifest")
"""Commands that the lab's own program carries out: on the sandbox, and never on a cluster of somebody's."""


class Istioctl:
    """Runs istioctl on one cluster."""

    def __init__(self, cluster: Cluster, *, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace

    def __repr__(self) -> str:
        return f"Istioctl({str(self._cluster.kubeconfig)!r})"

    def run(self, words: str | Sequence[str], *, text: str = "") -> programs.Output:
        """What ``istioctl WORDS`` printed, ``text`` on its standard input; its exit code may say no."""
        typed = split(words)
        program = None if typed[:1] and typed[0] in INSTALLING else shim.real(settings.Paths())
        if program is None:
            return istioctl.run(
                typed,
                kubeconfig=self._cluster.kubeconfig,
                context=self._cluster.context,
                namespace=self._namespace,
                text=text,
            )
        command = [program, *typed, "--kubeconfig", str(self._cluster.kubeconfig)]
        command += ["--context", self._cluster.context] if self._cluster.context else []
        try:
            return programs.output(command, text=text, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as e:
            raise KubectlError(shlex.join(command), f"did not end within {TIMEOUT:g} s.") from e

    def printed(self, words: str) -> results.Printed:
        """The same for a cell: its words either way."""
        done = self.run(words)
        command = f"istioctl {shlex.join(split(words))}"
        return results.Printed(command=command, text=(done.out + done.err).rstrip("\n"), code=done.code)


def split(words: str | Sequence[str]) -> list[str]:
    """``"istioctl analyze"`` and ``"analyze"`` are the same."""
    typed = shlex.split(words) if isinstance(words, str) else list(words)
    return typed[1:] if typed[:1] == ["istioctl"] else typed
