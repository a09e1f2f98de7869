"""``./lab doctor``: what this machine and the chosen cluster lack, and one command that mends each."""

from collections.abc import Collection, Sequence

from labkit.base import choice, errors, settings
from labkit.clusters import commands
from labkit.lab.doctor import cluster_checks, facts, machine_checks
from labkit.lab.doctor.finding import Finding, Verdict
from labkit.lab.doctor.report import Report, as_text

__all__ = ["CHECKS", "MACHINE", "TOOLS", "Finding", "Report", "Verdict", "as_text", "examine", "require"]

CHECKS = (*machine_checks.CHECKS, *cluster_checks.CHECKS)
"""Every check, in the order of the table."""

MACHINE = frozenset({"engine", "memory", "disk", "cgroup", "inotify", "ports"})
"""What of the machine has to be right before anything is fetched for a kind cluster."""

TOOLS = frozenset({"tools"})
"""What has to be right before a kind cluster is created."""


def examine(
    paths: settings.Paths, chosen: choice.Choice, machine: commands.Commands, *, only: Collection[str] = ()
) -> Report:
    """Look at everything, for at most half a minute; nothing is changed."""
    asked = {check.id for check in CHECKS if not only or check.id in only}
    seen = facts.gather(paths, chosen, machine, with_cluster=bool(asked & {c.id for c in cluster_checks.CHECKS}))
    return Report(findings=[check(seen) for check in CHECKS if check.id in asked], place=seen.place)


def require(report: Report) -> Sequence[Finding]:
    """Its warnings; SetupError names the first thing that has to be mended, and how many more there are."""
    failed = [f for f in report.findings if f.verdict == "fail"]
    if failed:
        first, more = failed[0], f" ({len(failed) - 1} more: ./lab doctor)" if len(failed) > 1 else ""
        raise errors.SetupError(f"{first.title}: {first.seen.rstrip('.?! ')}{more}.", next_step=first.next_step)
    return [f for f in report.findings if f.verdict == "warn"]
