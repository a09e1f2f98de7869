"""The mesh as a picture that moves: workloads, their proxies, and the requests between them.

It knows two callbacks: ``read() -> (nodes, flows)`` as ``telemetry.flows`` makes them, and ``send(on_batch) -> stop``
for requests from outside.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import traitlets

from labkit.telemetry.flows import Flow, Node
from labkit.views import assets, markup, picture
from labkit.views.picture import COLUMNS
from labkit.views.sender import Send

FIELDS = ["source", "target", "rate", "failing", "sent", "failed", "security", "is_measured"]
"""Columns of the table twin."""

EVERY = 1.0
"""Seconds between two looks; each asks every proxy two questions."""

Reading = tuple[Sequence[Node], Sequence[Flow]]
Read = Callable[[], Reading]


class MeshView(picture.PictureView):
    """Boxes for workloads and lines for requests; dots on a line are as quick as its requests are many."""

    made_by = "lab.mesh"
    _esm = assets.module("meshmap")
    _css = assets.styles("meshmap")

    nodes: Any = traitlets.List().tag(sync=True)
    """``{"name", "app", "pods", "ready", "has_proxy", "column"}``."""

    edges: Any = traitlets.List().tag(sync=True)
    """``{"source", "target", "rate", "failing", "sent", "failed", "security"}``: per second, and since it began."""

    def __init__(self, read: Read, *, send: Send | None = None, load: str = "", every: float | None = EVERY) -> None:
        self._first: dict[tuple[str, str], Flow] = {}
        self._last: dict[tuple[str, str], Flow] = {}
        self._at = 0.0
        super().__init__(read, send=send, load=load, every=every)

    def __repr__(self) -> str:
        with_proxy = sum(node["has_proxy"] for node in self.nodes)
        return f"Mesh({len(self.nodes)} workloads, {with_proxy} with a proxy)"

    def table(self) -> Any:
        """The table twin as a DataFrame: a row per line of the picture."""
        import pandas as pd

        return pd.DataFrame(self.edges, columns=FIELDS)

    def static_html(self) -> str:
        """The picture as two tables, for exports."""
        places = [[n["name"], f"{n['ready']} of {n['pods']}", "yes" if n["has_proxy"] else "no"] for n in self.nodes]
        lines = [[e["source"], e["target"], e["sent"], e["failed"], _sent_as(e)] for e in self.edges if e["sent"]]
        return (
            f'<div style="{markup.BOX}">{markup.table(("workload", "pods ready", "proxy"), places, caption="The mesh")}'
            f"{markup.table(('from', 'to', 'requests', 'failed', 'sent as'), lines) if lines else ''}</div>"
        )

    def take(self, reading: Reading, *, now: float) -> None:
        """Draw nodes and flows that were read at ``now``, in seconds of any clock."""
        nodes, flows = reading
        current = {(flow.source, flow.target): flow for flow in flows}
        with self._guard, self.hold_sync():
            passed = now - self._at if self._at else 0.0
            if not self._at:
                self._first = current
            edges = [self._edge(key, flow, passed) for key, flow in current.items()]
            self.edges = [edge for edge in edges if edge["sent"]]
            self._last, self._at = current, now
            self.nodes = placed(nodes, self.edges)
            self.message = ""

    def _edge(self, key: tuple[str, str], flow: Flow, passed: float) -> dict[str, Any]:
        before, first = self._last.get(key), self._first.get(key)
        return {
            "source": flow.source,
            "target": flow.target,
            "security": flow.security,
            "is_measured": flow.is_measured,
            "rate": _rate(flow.sent, before.sent if before else 0, passed),
            "failing": _rate(flow.failed, before.failed if before else 0, passed),
            # A counter below what it was belongs to a proxy that began anew.
            "sent": flow.sent - (first.sent if first and first.sent <= flow.sent else 0),
            "failed": flow.failed - (first.failed if first and first.failed <= flow.failed else 0),
        }


def _sent_as(edge: Mapping[str, Any]) -> str:
    return markup.sent_as(edge["security"], is_measured=edge["is_measured"])


def _rate(now: int, before: int, passed: float) -> float:
    return round(max(0, now - before) / passed, 1) if passed > 0 else 0.0


def placed(nodes: Sequence[Node], edges: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes with their columns, and one for each target that is no workload: a host outside, or nobody."""
    nodes_and_targets = [{**asdict(node), "column": COLUMNS.get(node.app, -1)} for node in nodes]
    names = {node["name"] for node in nodes_and_targets}
    others = sorted({edge["target"] for edge in edges} - names)
    nodes_and_targets += [
        {"name": o, "app": "", "pods": 0, "ready": 0, "has_proxy": False, "column": -1} for o in others
    ]
    columns = {node["name"]: node["column"] for node in nodes_and_targets if node["column"] >= 0}
    # Callers before those they call; the rest, callers of each other, stand in the middle.
    for _ in nodes_and_targets:
        for node in nodes_and_targets:
            name, sources = node["name"], [e["source"] for e in edges if e["target"] == node["name"]]
            if name not in columns and all(source in columns for source in sources):
                columns[name] = 1 + max((columns[source] for source in sources), default=-1)
    return [{**node, "column": columns.get(node["name"], 2)} for node in nodes_and_targets]
