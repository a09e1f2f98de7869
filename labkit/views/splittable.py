"""The table twin of the split view: asked beside measured, a row a version. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.traffic import judge
from labkit.views import markup, windows

HEAD = ("version", "asked", "measured", "requests", "expected", "failed", "median latency")
TOO_FEW = 30
"""Requests below which the table gives no verdict: any split would agree."""

LOST = "failed"
"""The row of failed requests that name no version."""

UNNAMED = "no version"
"""The row of good answers that name none: the path does not lead to the service."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442")
"""Okabe and Ito's palette: told apart by every kind of colour vision. ``split.js`` has the same."""


def rows(window: windows.Window, weights: Mapping[str, int], *, versions: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per version, then what no version answered: lost requests, and good answers that name none.

    Without weights nothing is asked for, so nothing is judged.
    """
    counts = dict(windows.counts_of(window, list(weights) or list(versions)))
    judged = {part.name: part for part in judge.split(counts, weights).parts} if any(weights.values()) else {}
    whole = window.total
    by_version = [
        {
            "version": name,
            "asked": judged[name].asked if name in judged else 0.0 if weights else None,
            "measured": count / whole if whole else None,
            "requests": count,
            "expected": [judged[name].low, judged[name].high] if name in judged and whole >= TOO_FEW else None,
            "agrees": judged[name].agrees if name in judged and whole >= TOO_FEW else None,
            "failed": window.failures[name],
            "latency_ms": windows.middle(window.latencies.get(name, [])),
        }
        for name, count in counts.items()
    ]
    lost, unnamed = window.failures[""], window.counts[""]
    return by_version + [_other(n, count, whole, lost=lost) for n, count in ((LOST, lost), (UNNAMED, unnamed)) if count]


def _other(name: str, count: int, whole: int, *, lost: int) -> dict[str, Any]:
    return {
        "version": name,
        "asked": None,
        "measured": count / whole,
        "requests": count,
        "expected": None,
        "agrees": None,
        "failed": lost if name == LOST else 0,
        "latency_ms": None,
    }


def trouble(recent: windows.Window) -> str:
    """What is wrong with the requests of the last seconds, in a sentence or two; empty when none failed."""
    if not recent.failed:
        return ""
    if recent.unanswered == recent.total:
        return (
            f"The gateway does not answer: {recent.last_failure}.\n"
            "Next: ./lab status shows what runs; lab.expose() opens the gateway again."
        )
    return f"{recent.failed} of the last {recent.total} requests failed; the last one: {recent.last_failure}"


def remark(weights: Mapping[str, int]) -> str:
    """What to know of weights that do not sum to 100; empty when they do."""
    whole = sum(weights.values())
    if whole == 100:
        return ""
    if whole == 0:
        return "All weights are 0: Istio then sends everything to the first destination."
    shares = ", ".join(f"{name} {share:.1%}" for name, share in judge.shares(weights).items())
    return f"The weights sum to {whole}, not 100. Istio accepts that and sends {shares}."


def elsewhere(service: str, weights: Mapping[str, int], *, has_rule: bool, at: str) -> str:
    """A change that another cell, a terminal or somebody else made."""
    if not has_rule:
        return (
            f"VirtualService {service} was deleted elsewhere at {at}. Without it every pod of {service} gets an equal "
            "share. Moving a slider creates it again."
        )
    if not weights:
        return f"VirtualService {service} was changed elsewhere at {at}: it names no subsets now."
    shares = ", ".join(f"{name} {weight}" for name, weight in weights.items())
    return f"VirtualService {service} was changed elsewhere at {at}: {shares}."


_PATCHING = re.compile(
    r'^Error from server: error when applying patch:.*?Kind=(\w+)"\nName: "([^"]*)".*?error when patching [^:\n]*: ',
    re.DOTALL,
)
"""How kubectl begins when a server refuses a patch: with both objects, whole."""


def refusal(output: str) -> str:
    """What to tell of a change that was not applied: kubectl's words, with the object's name instead of its text."""
    return "Not applied, the split is as it was before.\n" + _PATCHING.sub(r"\1 \2: ", output)


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row as text."""
    share, band, latency = row["measured"], row["expected"], row["latency_ms"]
    verdict = "" if row["agrees"] is None else " ✓" if row["agrees"] else " ✗"
    return [
        str(row["version"]),
        "–" if row["asked"] is None else f"{row['asked']:.0%}",
        "–" if share is None else f"{share:.1%}",
        str(row["requests"]),
        "–" if band is None else f"{band[0]}–{band[1]}{verdict}",
        str(row["failed"]),
        "–" if latency is None else f"{latency:.1f} ms",
    ]


def as_text(table_rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as aligned text."""
    return markup.columns(HEAD, [cells(row) for row in table_rows])


def static_html(
    service: str, table_rows: Sequence[Mapping[str, Any]], yaml: str, *, kept: Sequence[Mapping[str, str]] = ()
) -> str:
    """The view without a live page: bars, the table, the rules before the weights, and the YAML."""
    bars = "".join(_bar(row, COLOURS[n % len(COLOURS)]) for n, row in enumerate(table_rows) if row["asked"] is not None)
    table = markup.table(HEAD, [cells(row) for row in table_rows], caption=f"{service}: asked and measured")
    before = "".join(f"<li>{markup.text(rule['when'])} → {markup.text(rule['to'])}</li>" for rule in kept)
    listed = f'<div style="{markup.QUIET}">Before the weights:</div><ul>{before}</ul>' if before else ""
    applied = f"<details><summary>the YAML it applied</summary>{markup.pre(yaml)}</details>" if yaml else ""
    return f'<div style="{markup.BOX}">{bars}{table}{listed}{applied}</div>'


def _bar(row: Mapping[str, Any], colour: str) -> str:
    share = row["measured"] if row["measured"] is not None else row["asked"]
    label = f"{row['version']}: asked {cells(row)[1]}, measured {cells(row)[2]}"
    return (
        f'<div style="margin:.2em 0">{markup.text(label)}<div style="background:#8882;height:.8em;width:100%">'
        f'<div style="background:{colour};height:.8em;width:{share:.1%}"></div></div></div>'
    )
