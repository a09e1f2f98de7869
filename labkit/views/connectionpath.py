"""The path of a connection: every program it passes, as whom each speaks, how, and which policies are asked there.

Two paths stand side by side, say with sidecars and in ambient mode. Plain HTML without a script, so it stands in
exports as it does in a notebook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.mesh.explain.hops import CLIENT, GATEWAY, IN_THE_OPEN, SERVER, SIDECAR, WAYPOINT, ZTUNNEL, Hop, Path
from labkit.views import markup, showing

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("path", "at", "program", "speaks as", "sends", "asks")

SIGNS = {CLIENT: "◇", SIDECAR: "◫", ZTUNNEL: "▤", WAYPOINT: "⬡", GATEWAY: "⬒", SERVER: "◆"}
"""A shape a role, so that colour is not all that tells them apart."""

COLOURS = {CLIENT: "#8c8c8c", SIDECAR: "#0072b2", ZTUNNEL: "#009e73", WAYPOINT: "#cc79a7", GATEWAY: "#e69f00"}
"""Of the edge of each box (Okabe and Ito)."""

PLAIN = "#d55e00"
LOCK = (
    '<svg viewBox="0 0 12 14" width="11" height="13" aria-hidden="true" style="vertical-align:-.1em">'
    '<path d="M3 6V4a3 3 0 0 1 6 0v2" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<rect x="1" y="6" width="10" height="7.5" rx="1.5" fill="currentColor"/></svg>'
)
NO_ONE = "nobody"
"""As whom a program speaks that shows no certificate."""


@dataclass(frozen=True, kw_only=True)
class ConnectionPaths(showing.Shown):
    """One path, or several side by side; ``paths`` has their hops as plain values."""

    paths: Sequence[Path]

    def __repr__(self) -> str:
        notes = [f"! {path.title}: {note}" for path in self.paths for note in path.notes]
        return "\n".join([markup.columns(HEAD, self.rows()), *notes])

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A row a hop, as the text form and the table have them."""
        return [
            (path.title, hop.role, hop.name, hop.identity or NO_ONE, hop.sends or "–", ", ".join(hop.policies) or "–")
            for path in self.paths
            for hop in path.hops
        ]

    def table(self) -> "pd.DataFrame":
        """The table twin."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(HEAD))

    def _repr_html_(self) -> str:
        columns = "".join(map(_column, self.paths))
        style = "display:grid;grid-template-columns:repeat(auto-fit,minmax(20em,1fr));gap:1.6em;max-width:72em"
        return f'<div style="{style}">{columns}</div>'


def _column(path: Path) -> str:
    hops = "".join(map(_hop, path.hops))
    notes = "".join(
        f'<p style="border-left:4px solid {PLAIN};padding:.2em .7em;margin:.6em 0">{markup.text(note)}</p>'
        for note in path.notes
    )
    name = f"Path of a connection: {path.title}"
    listed = f'<ol style="list-style:none;margin:.6em 0 0;padding:0">{hops}</ol>'
    return f'<section aria-label="{markup.text(name)}"><b>{markup.text(path.title)}</b>{listed}{notes}</section>'


def _hop(hop: Hop) -> str:
    sign = f'<span aria-hidden="true">{SIGNS[hop.role]}</span>'
    lines = [f"{sign} <b>{markup.text(hop.role)}</b> {markup.text(hop.name)}"]
    if hop.identity:
        lines.append(f'<span style="{markup.QUIET}">speaks as</span> {markup.text(hop.identity)}')
    if hop.policies:
        lines.append(f'<span style="{markup.QUIET}">asks</span> {markup.text(", ".join(hop.policies))}')
    if hop.note:
        lines.append(f'<span style="{markup.QUIET}">{markup.text(hop.note)}</span>')
    edge = COLOURS.get(hop.role, COLOURS[CLIENT])
    frame = f"border:1px solid #8884;border-left:6px solid {edge};border-radius:6px"
    box = f"{frame};padding:.35em .7em;overflow-wrap:anywhere"
    return f'<li style="margin:0"><div style="{box}">{"<br>".join(lines)}</div>{_arrow(hop)}</li>'


def _arrow(hop: Hop) -> str:
    if not hop.sends:
        return ""
    line = "1px solid #8888"
    if hop.is_encrypted:
        line = f"3px solid {COLOURS[ZTUNNEL]}"
    elif hop.sends == IN_THE_OPEN:
        line = f"3px dashed {PLAIN}"
    style = f"border-left:{line};margin:0 0 0 1.4em;padding:.35em 0 .35em .8em"
    lock = f"{LOCK} " if hop.is_encrypted else ""
    return f'<div style="{style}"><span aria-hidden="true">↓</span> {lock}{markup.text(hop.sends)}</div>'
