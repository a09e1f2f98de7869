"""How requests are sent, for views that draw connections: as the called proxies count it, else as the rules say."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from labkit.base import errors
from labkit.kube import client
from labkit.lab import snapshots
from labkit.mesh.explain import mutual_tls
from labkit.telemetry import graph
from labkit.telemetry.flows import Flow

FRESH = 5.0
"""Seconds; a look costs a list of every kind that decides it, and a page of each proxy."""

Pair = tuple[str, str]
"""The workloads of a caller and of the called."""

Count = Callable[[], graph.Graph]
"""What the proxies have counted since they began."""


class Padlocks:
    """Of one cluster, for clients of one namespace."""

    def __init__(
        self,
        api: client.Client,
        namespace: str,
        *,
        count: Count = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._namespace, self._count, self._clock = api, namespace, count, clock
        self._sends: Mapping[str, str] = {}
        self._sends_until = self._measured_until = 0.0
        self._measured: dict[Pair, str] = {}
        self._before: graph.Graph | None = None

    def sends(self) -> Mapping[str, str]:
        """Workload → ``mutual TLS``, ``TLS`` or ``plain text``; nothing where the cluster may not be asked."""
        if self._clock() >= self._sends_until:
            try:
                snapshot = snapshots.read(self._api)
                self._sends = mutual_tls.sent_to_workloads(snapshot, client=self._namespace)
            except errors.LabError:
                self._sends = {}
            self._sends_until = self._clock() + FRESH
        return self._sends

    def measured(self) -> Mapping[Pair, str]:
        """How the last requests between two workloads came in, where their called proxy has counted some."""
        if self._clock() >= self._measured_until:
            now = self._count()
            if self._before is not None:  # what was counted before the first look may be of another mode
                self._measured |= seen(now, self._before)
            self._before = now
            self._measured_until = self._clock() + FRESH
        return self._measured

    def on(self, flows: Sequence[Flow]) -> list[Flow]:
        """The flows, each with how its requests are sent."""
        sends, measured = self.sends(), self.measured() if flows else {}
        return [
            replace(flow, security=measured[pair], is_measured=True)
            if (pair := (flow.source, flow.target)) in measured
            else replace(flow, security=sends.get(flow.target, ""))
            for flow in flows
        ]


def seen(now: graph.Graph, before: graph.Graph) -> dict[Pair, str]:
    """What was counted between two looks; both words where a change of the mode came between."""
    words = {}
    for way, totals in now.items():
        last = before.get(way, graph.Totals())
        # A counter below what it was belongs to a proxy that began anew.
        counts = {
            mutual_tls.MUTUAL: totals.mutual - (last.mutual if last.mutual <= totals.mutual else 0),
            mutual_tls.PLAIN: totals.plain - (last.plain if last.plain <= totals.plain else 0),
        }
        if text := ", ".join(word for word, count in counts.items() if count > 0):
            words[_name(way.source), _name(way.target)] = text
    return words


def _name(workload: str) -> str:
    return workload.rpartition("/")[2]
