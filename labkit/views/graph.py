"""The service graph, live: requests per second, failures, latency and mutual TLS between workloads.

It knows ``read() -> Reading``, ``inspect(node) -> what its proxies hold``, and ``send(on_batch) -> stop`` for requests
from outside. Before the first request it draws what is deployed and says what to do.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import traitlets

from labkit.base import errors
from labkit.telemetry import graph
from labkit.telemetry.flows import Node
from labkit.views import assets, layers, markup, picture
from labkit.views.picture import COLUMNS
from labkit.views.sender import Send

EVERY = 0.8
"""Seconds between two looks, so that a request shows within one; each asks every proxy for a few of its statistics."""

WINDOW = 5.0
"""Seconds over which rates are taken."""

KEPT = 120
"""Points of a way's series that are kept."""

HEAD = ("from", "to", "requests/s", "failing %", "p95 ms", "requests", "failed", "mTLS", "carried by", "answers")
NO_TRAFFIC = "No request since this view began. Press ▶ Send, or run lab.send() in another cell."
OUTSIDE = "outside"
"""Whoever calls without a proxy."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One look at the mesh."""

    nodes: Sequence[Node]
    """What is deployed; names as ``default/reviews-v1``."""

    totals: graph.Graph
    marks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What is special about a node: ``{"default/ratings-v1": ["fault: delay 2s for 100 %"]}``."""


Read = Callable[[], Reading]
Inspect = Callable[[str], Mapping[str, Mapping[str, str]]]
"""From a node's name to words about each of its proxies, by pod: ``{"reviews-v1-x": {"Envoy": "1.40.0"}}``."""


class GraphView(picture.PictureView):
    """Boxes for workloads, versions of a service one below the other; a line for each way that requests take."""

    made_by = "lab.graph"
    _esm = assets.module("graph")
    _css = assets.styles("graph")

    nodes: Any = traitlets.List().tag(sync=True)
    """``{"name", "title", "group", "pods", "ready", "has_proxy", "marks", "column", "row"}``."""

    edges: Any = traitlets.List().tag(sync=True)
    """``{"source", "target", "rate", "errors", "p95", "sent", "failed", "mutual", "hops", "codes"}``."""

    selected = traitlets.Unicode().tag(sync=True)
    """The edge whose series is shown, ``source target``, or the node whose proxies are; a click assigns it."""

    series: Any = traitlets.List().tag(sync=True)
    """``{"t", "rate", "errors", "p95"}`` of the selected edge."""

    proxies: Any = traitlets.List().tag(sync=True)
    """``{"pod", "words"}`` of the selected node, ``words`` as pairs of a name and a value."""

    can_inspect = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        read: Read,
        *,
        inspect: Inspect | None = None,
        send: Send | None = None,
        load: str = "",
        every: float | None = EVERY,
    ) -> None:
        self._inspect = inspect
        self._first: graph.Graph | None = None
        self._frames: deque[tuple[float, graph.Graph]] = deque()
        self._points: dict[str, deque[dict[str, Any]]] = {}
        self._columns: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        super().__init__(read, send=send, load=load, every=every, can_inspect=inspect is not None)
        self.observe(self._on_selected, names="selected")

    def __repr__(self) -> str:
        busy = [edge for edge in self.edges if edge["rate"]]
        failing = sum(bool(edge["errors"]) for edge in busy)
        return f"Graph({len(self.nodes)} workloads, {len(busy)} ways in use, {failing} failing)"

    def table(self) -> Any:
        """The table twin as a DataFrame: a row per way."""
        import pandas as pd

        return pd.DataFrame(self._table(), columns=list(HEAD))

    def static_html(self) -> str:
        """The graph as two tables, for exports."""
        places = [
            [n["name"], f"{n['ready']} of {n['pods']}", "yes" if n["has_proxy"] else "no", "; ".join(n["marks"])]
            for n in self.nodes
        ]
        head = ("workload", "pods ready", "proxy", "to know")
        ways = markup.table(HEAD, self._table()) if self.edges else f"<p>{markup.text(NO_TRAFFIC)}</p>"
        return f'<div style="{markup.BOX}">{markup.table(head, places, caption="The service graph")}{ways}</div>'

    def _table(self) -> list[list[Any]]:
        return [
            [
                edge["source"],
                edge["target"],
                edge["rate"],
                edge["errors"],
                edge["p95"],
                edge["sent"],
                edge["failed"],
                {True: "yes", False: "no", None: "unknown"}[edge["mutual"]],
                ", ".join(edge["hops"]),
                ", ".join(f"{count}x {code}" for code, count in edge["codes"].items()),
            ]
            for edge in self.edges
        ]

    def take(self, reading: Reading, *, now: float) -> None:
        """Draw a reading that was made at ``now``, in seconds of any clock."""
        with self._guard, self.hold_sync():
            if self._first is None:
                self._first = reading.totals
            while len(self._frames) > 1 and self._frames[1][0] <= now - WINDOW:
                self._frames.popleft()
            at, before = self._frames[0] if self._frames else (now, reading.totals)
            edges = graph.edges(self._first, before, reading.totals, passed=now - at)
            self._frames.append((now, reading.totals))
            drawn = [drawn_edge(edge) for edge in edges]
            self._remember(drawn, now)
            self.edges = drawn
            self.nodes = self._placed(reading, drawn)
            self.message = "" if drawn else NO_TRAFFIC
            self.series = list(self._points.get(self.selected, ()))

    def _remember(self, edges: Sequence[Mapping[str, Any]], now: float) -> None:
        for edge in edges:
            points = self._points.setdefault(f"{edge['source']} {edge['target']}", deque(maxlen=KEPT))
            points.append({"t": round(now, 2), "rate": edge["rate"], "errors": edge["errors"], "p95": edge["p95"]})

    def _placed(self, reading: Reading, edges: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        boxes = [boxed(node) for node in reading.nodes]
        there = {node.name for node in reading.nodes}
        others = sorted({name for edge in edges for name in (edge["source"], edge["target"])} - there)
        hints = [layers.Box(name=node.name, group=_group(node), column=COLUMNS.get(node.app)) for node in reading.nodes]
        hints += [layers.Box(name=name, group=name) for name in others]
        boxes += [boxed(Node(name=name, app="", pods=0, ready=0, has_proxy=False)) for name in others]
        pairs = [(e["source"], e["target"]) for e in edges]
        self._columns = layers.columns(hints, pairs, self._columns)
        self._rows = layers.rows(hints, self._columns, self._rows, pairs)
        return [
            {
                **box,
                "marks": list(reading.marks.get(box["name"], ())),
                "column": self._columns[box["group"]],
                "row": self._rows[box["name"]],
            }
            for box in boxes
        ]

    def _on_selected(self, _: Any) -> None:
        with self.hold_sync():
            self.series = list(self._points.get(self.selected, ()))
            self.proxies = []
        if self._inspect is not None and self.selected in {node["name"] for node in self.nodes}:
            # Proxies are asked one after the other: the kernel's own thread goes on drawing.
            threading.Thread(target=self._open, args=(self.selected,), name="labkit-inspect", daemon=True).start()

    def _open(self, node: str) -> None:
        try:
            asked = (self._inspect or (lambda _: {}))(node)
        except errors.LabError as e:
            asked = {node: {"no answer": str(e)}}
        if self.selected == node:
            rows = [{"pod": pod, "words": [list(pair) for pair in words.items()]} for pod, words in asked.items()]
            self.proxies = rows or [{"pod": node, "words": [["proxy", "none: no pod of it has an Envoy"]]}]


def drawn_edge(edge: graph.Edge) -> dict[str, Any]:
    """An edge as the page draws it."""
    source = OUTSIDE if edge.way.source == graph.UNKNOWN else edge.way.source
    return {
        "source": source,
        "target": edge.way.target,
        "rate": round(edge.rate, 1),
        "errors": None if edge.error_percent is None else round(edge.error_percent, 1),
        "p95": None if edge.p95_ms is None else round(edge.p95_ms, 1),
        "sent": edge.sent or edge.connections,
        "failed": edge.failed,
        "mutual": edge.is_mutual,
        "hops": list(edge.hops),
        "codes": dict(edge.codes),
    }


def boxed(node: Node) -> dict[str, Any]:
    """A node as the page draws it, without its place."""
    return {
        "name": node.name,
        "title": node.name.rpartition("/")[2],
        "group": _group(node),
        "pods": node.pods,
        "ready": node.ready,
        "has_proxy": node.has_proxy,
    }


def _group(node: Node) -> str:
    namespace, _, name = node.name.rpartition("/")
    return f"{namespace}/{node.app}" if node.app else node.name or name
