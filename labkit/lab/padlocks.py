"""How requests to each workload are sent, for views that draw connections: read anew every few seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from labkit.base import errors
from labkit.kube import client
from labkit.lab import snapshots
from labkit.mesh.explain import mutual_tls
from labkit.telemetry.flows import Flow

FRESH = 5.0
"""Seconds; a look costs a list of every kind that decides it."""


class Padlocks:
    """Of one cluster, for clients of one namespace."""

    def __init__(self, api: client.Client, namespace: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._namespace, self._clock = api, namespace, clock
        self._sends: Mapping[str, str] = {}
        self._until = 0.0

    def sends(self) -> Mapping[str, str]:
        """Workload → ``mutual TLS``, ``TLS`` or ``plain text``; nothing where the cluster may not be asked."""
        if self._clock() >= self._until:
            try:
                snapshot = snapshots.read(self._api)
                self._sends = mutual_tls.sent_to_workloads(snapshot, client=self._namespace)
            except errors.LabError:
                self._sends = {}
            self._until = self._clock() + FRESH
        return self._sends

    def on(self, flows: Sequence[Flow]) -> list[Flow]:
        """The flows, each with how its requests are sent."""
        sends = self.sends()
        return [replace(flow, security=sends.get(flow.target, "")) for flow in flows]
