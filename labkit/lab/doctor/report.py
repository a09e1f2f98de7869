"""The findings together: a table for terminals, a table for notebooks, plain data for programs."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labkit.lab.doctor.finding import Finding
from labkit.views import markup, showing

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "·"}
COLOURS = {"pass": "#1a7f37", "warn": "#9a6700", "fail": "#cf222e", "skip": "#6e7781"}


@dataclass(frozen=True, kw_only=True)
class Report(showing.Shown):
    """What a doctor says; a notebook shows it as a table."""

    findings: Sequence[Finding]
    place: str
    """Where it looked: ``Linux, WSL; Python 3.12.3``."""

    @property
    def is_well(self) -> bool:
        """Whether nothing failed."""
        return not any(f.verdict == "fail" for f in self.findings)

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "place": self.place,
            "is_well": self.is_well,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        rows = "".join(_row(finding) for finding in self.findings)
        return (
            f'<div style="{markup.QUIET}">{markup.text(self.place)}</div>'
            f'<table style="text-align:left"><tbody>{rows}</tbody></table>'
            f"<div>{markup.text(summary(self.findings))}</div>"
        )


def _row(finding: Finding) -> str:
    step = f"<br><code>{markup.text(finding.next_step)}</code>" if finding.next_step else ""
    mark = f"white-space:nowrap;{markup.ink(COLOURS[finding.verdict])}"
    return (
        '<tr style="vertical-align:top">'
        f'<td style="{mark}">{MARKS[finding.verdict]} {finding.verdict}</td>'
        f'<td style="text-align:left;white-space:nowrap">{markup.text(finding.title)}</td>'
        f'<td style="text-align:left">{markup.text(finding.seen)}{step}</td></tr>'
    )


def as_text(report: Report) -> str:
    """A line a finding, and below it the command that mends it."""
    lines = [f"  {report.place}"]
    for finding in report.findings:
        lines.append(f"  {MARKS[finding.verdict]} {finding.title:<28}{finding.seen}")
        if finding.next_step:
            lines.append(f"      {finding.next_step}")
    return "\n".join([*lines, "", f"  {summary(report.findings)}"])


def summary(findings: Sequence[Finding]) -> str:
    """How many of each."""
    counts = {verdict: sum(f.verdict == verdict for f in findings) for verdict in MARKS}
    if counts["fail"]:
        return f"{counts['fail']} to mend, {counts['warn']} to look at."
    return f"Nothing to mend{f', {counts_of(counts)}' if counts['warn'] else ''}."


def counts_of(counts: dict[str, int]) -> str:
    """The warnings."""
    return f"{counts['warn']} to look at"
