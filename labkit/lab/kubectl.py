"""Stock kubectl on this lab's cluster, as a practitioner types it."""

import itertools
import json
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from labkit.base import errors, programs, settings
from labkit.clusters.cluster import Cluster

TIMEOUT = 120.0
"""Seconds; ``kubectl get -w`` and its like never end by themselves, and a cell should."""


class KubectlError(errors.LabError):
    """kubectl said no; its own words, and what was typed."""

    def __init__(self, command: str, output: str) -> None:
        step = f"\nNext: {GATEWAY_API}" if _UNKNOWN_KIND.search(output) else ""
        super().__init__(f"{readable(output)}\n({command}){step}")


GATEWAY_API = "lab.install_gateway_api() adds the definitions of the Gateway API, which Istio does not bring"
_UNKNOWN_KIND = re.compile(r'no matches for kind "\w+" in version "gateway\.networking\.k8s\.io/')


_QUOTED_OBJECT = re.compile(r'patch: Invalid value: ("(?:[^"\\]|\\.)*"): ')


def readable(output: str) -> str:
    """kubectl's words without the whole object that a refused patch quotes; its kind and name instead."""

    def named(match: re.Match[str]) -> str:
        try:
            obj = json.loads(json.loads(match[1]))
            return f"{obj['kind']}/{obj['metadata']['name']}: "
        except (ValueError, KeyError, TypeError):
            return match[0]

    return _QUOTED_OBJECT.sub(named, output.strip())


class Kubectl:
    """Runs kubectl on one cluster; never reads or changes the user's own kubeconfig."""

    def __init__(self, cluster: Cluster, *, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace

    def __repr__(self) -> str:
        return f"Kubectl({str(self._cluster.kubeconfig)!r})"

    def run(self, words: str | Sequence[str], *, text: str | None = None, timeout: float = TIMEOUT) -> programs.Output:
        """What ``kubectl WORDS`` printed, ``text`` on its standard input; its exit code may say no."""
        typed = split(words)
        command = [str(programs.beside_python("kubectl")), *self._flags(typed), *typed]
        try:
            return programs.output(command, env=environment(), text=text, timeout=timeout)
        except subprocess.TimeoutExpired as e:
            raise KubectlError(
                shown(words), f"did not end within {timeout:g} s.\nNext: leave out -w, or run it in a terminal"
            ) from e

    def __call__(
        self, words: str | Sequence[str], *, text: str | None = None, subject: str = "the manifest"
    ) -> programs.Output:
        """The same; KubectlError when it says no, in its own words, with ``subject`` for what it read from ``text``."""
        done = self.run(words, text=text)
        if done.code:
            raise KubectlError(shown(words), (done.err or done.out).replace('"STDIN"', subject))
        return done

    def _flags(self, typed: Sequence[str]) -> list[str]:
        flags = [f"--kubeconfig={self._cluster.kubeconfig}"]
        if self._cluster.context:
            flags.append(f"--context={self._cluster.context}")
        # What comes behind -- is another program's: ``exec … -- fortio load -n 20``.
        own = list(itertools.takewhile(lambda word: word != "--", typed))
        if self._namespace != "default" and not any(w in ("-n", "-A") or w.startswith("--namespace") for w in own):
            flags.append(f"--namespace={self._namespace}")
        return flags


def environment() -> Mapping[str, str]:
    """A discovery cache of our own: kubectl keys it by host and port, and sandboxes come and go on those."""
    return {"KUBECACHEDIR": str(settings.Paths().kube_cache), "KUBE_EDITOR": "false"}


def split(words: str | Sequence[str]) -> list[str]:
    """``"kubectl get pods"`` and ``"get pods"`` are the same."""
    typed = shlex.split(words) if isinstance(words, str) else list(words)
    return typed[1:] if typed[:1] == ["kubectl"] else typed


READING = (
    "get",
    "describe",
    "logs",
    "exec",
    "explain",
    "version",
    "top",
    "auth",
    "config",
    "diff",
    "events",
    "wait",
    "api-resources",
    "api-versions",
    "cluster-info",
    "port-forward",
    "proxy",
    "help",
)
"""Verbs of commands that leave the cluster as it is; ``exec`` runs what a lesson asks for and reads its output."""


def only_reads(words: str | Sequence[str]) -> bool:
    """Whether a command only looks; what changes something is shown where it happens."""
    typed = iter(split(words))
    for word in typed:
        if word in ("-n", "--namespace", "--context"):
            next(typed, "")
        elif not word.startswith("-"):
            return word in READING
    return True


def shown(words: str | Sequence[str]) -> str:
    """The command as one types it."""
    return f"kubectl {words.removeprefix('kubectl ')}" if isinstance(words, str) else shlex.join(["kubectl", *words])
