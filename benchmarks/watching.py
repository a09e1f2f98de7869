"""What it costs to watch a mesh: the service graph at rest, at 50 nodes, and how soon a request shows in it.

The large graph is drawn in Chromium by its own module, as a notebook does it, four times a second.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks import result
from benchmarks.private import PrivateLab
from labkit import Lab
from labkit.lab import graphing
from labkit.telemetry import graph as counted
from labkit.telemetry.flows import Node
from labkit.views import graph
from tools import jupyterlab, pictures

NODES, LAYERS = 50, 5
HERTZ = 4.0
SECONDS = 10.0
SHOWS = 20
"""Requests whose way into the graph is timed."""

SHOWN_BAR, BUSY_BAR, REST_BAR, FRAME_BAR = 1.0, 10.0, 3.0, 50.0
LATE = 5.0
SETTLES = 2.0
"""Seconds until the page has done what opening it takes."""

EARLY = round(HERTZ)
"""Pictures of the first second, in which all ways appear at once."""


def measure(lab: PrivateLab) -> list[result.Result]:
    """The small graph of the lab, then a large one."""
    connected = Lab.connect(lab.paths.kubeconfig)
    return [*_of_lab(connected), *_large()]


def _of_lab(lab: Lab) -> list[result.Result]:
    view = graph.GraphView(graphing.Reader(lab._connection).read)
    lab.send(count=1)
    view.look()
    view.watch(view.look, every=graph.EVERY)
    try:
        times = [_until_shown(lab, view) for _ in range(SHOWS)]
        time.sleep(graph.WINDOW + 1)
        view._presence.looked()
        rest = _percent(lambda: time.sleep(SECONDS))
    finally:
        view.unwatch()
    return [
        result.median("a request until the graph shows it", times, unit="s", at_most=SHOWN_BAR),
        result.Result(name="slowest of them", value=max(times), unit="s", note=f"of {SHOWS}"),
        result.Result(name="the graph of the lab at rest", value=rest, unit="% of a core", at_most=REST_BAR),
    ]


def _until_shown(lab: Lab, view: graph.GraphView) -> float:
    """Seconds from the answer to the picture."""
    shown = threading.Event()
    before = sum(edge["sent"] for edge in view.edges)

    def look(change: Any) -> None:
        if sum(edge["sent"] for edge in change["new"]) > before:
            shown.set()

    view.observe(look, names="edges")
    view._presence.looked()
    lab.send("/api/v1/products", count=1)
    began = time.monotonic()
    shown.wait(LATE)
    took = time.monotonic() - began
    view.unobserve(look, names="edges")
    time.sleep(0.37)  # not in step with the looks
    return took


def readings() -> Callable[[int], graph.Reading]:
    """A mesh of 50 workloads in five layers, each calling three of the next, whose counts grow."""
    wide = NODES // LAYERS
    names = [[f"shop/service-{layer}-{n}" for n in range(wide)] for layer in range(LAYERS)]
    nodes = [Node(name=n, app=n.partition("/")[2], pods=2, ready=2, has_proxy=True) for row in names for n in row]
    ways = [
        counted.Way(names[layer][n], names[layer + 1][(n + k) % wide])
        for layer in range(LAYERS - 1)
        for n in range(wide)
        for k in range(3)
    ]

    def at(turn: int) -> graph.Reading:
        totals = {
            way: counted.Totals(
                requests=turn * (1 + n % 9) + 1,
                failed=turn * (n % 4 == 0),
                buckets={5.0: turn, 10.0: turn * (1 + n % 9), float("inf"): turn * (1 + n % 9) + 1},
                mutual=turn + 1,
            )
            for n, way in enumerate(ways)
        }
        return graph.Reading(nodes=nodes, totals=totals)

    return at


def _large() -> list[result.Result]:
    reading, turns = readings(), round(HERTZ * SECONDS)
    view = graph.GraphView(lambda: reading(0), every=None).look()
    states: list[str] = []

    def draw() -> None:
        for turn in range(1, turns + 1):
            view.take(reading(turn), now=turn / HERTZ)
            states.append(json.dumps({name: getattr(view, name) for name in ("nodes", "edges", "series", "message")}))

    began = time.process_time()
    draw()
    kernel = 100 * (time.process_time() - began) / SECONDS
    page, longest = _drawn(view, states)
    return [
        result.Result(
            name=f"{NODES} nodes at {HERTZ:g} Hz, kernel and page",
            value=kernel + page,
            unit="% of a core",
            at_most=BUSY_BAR,
            note=f"kernel {kernel:.1f}, page {page:.1f}, {len(view.edges)} ways",
        ),
        result.Result(name="longest task of that page", value=longest, unit="ms", at_most=FRAME_BAR, note="smooth"),
    ]


DRIVEN = """([pause, early]) => new Promise((done) => {
    let longest = 0;
    let left = early; // all ways appear at once in the first pictures
    const seen = new PerformanceObserver((list) => {
        if (left <= 0) for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
    });
    seen.observe({ type: "longtask" });
    const step = () => {
        const next = window.states.shift();
        if (!next) { seen.disconnect(); done(longest); return; }
        left -= 1;
        window.model.update(JSON.parse(next));
        setTimeout(step, pause);
    };
    step();
})"""


def _drawn(view: graph.GraphView, states: list[str]) -> tuple[float, float]:
    """Per cent of a core that the page took, and its longest task in milliseconds; 0 for none above 50."""
    with jupyterlab.chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_content(pictures.still(view, width=1200))
        page.locator(".lk-view").wait_for()
        session = browser.new_browser_cdp_session()
        page.evaluate("(states) => { window.states = states; }", states)
        page.wait_for_timeout(1000 * SETTLES)
        before = _seconds(session)
        longest = float(page.evaluate(DRIVEN, [1000 / HERTZ, EARLY]))
        took = _seconds(session) - before
    return 100 * took / SECONDS, longest


def _seconds(session: Any) -> float:
    """Processor time of all processes of the browser: page, compositor and network."""
    return sum(float(process["cpuTime"]) for process in session.send("SystemInfo.getProcessInfo")["processInfo"])


def _percent(wait: Callable[[], None]) -> float:
    """Per cent of a core that this process takes meanwhile."""
    began, spent = time.monotonic(), sum(os.times()[:2])
    wait()
    return 100 * (sum(os.times()[:2]) - spent) / (time.monotonic() - began)
