"""``./lab conformance``: what our translator tells every proxy, against recorded answers of real Istio."""

import argparse
import collections
from pathlib import Path

FAMILIES = ("traffic", "rule", "gateway", "egress", "kgateway", "security", "filter", "telemetry")
"""In the order of the report."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``conformance``."""
    parser.add_argument("--answers", type=Path, required=True, metavar="FOLDER", help="recorded answers (xds/ inside)")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only these cases; may be repeated")
    parser.add_argument("--case", action="append", metavar="NAME", help="only these cases; may be repeated")
    parser.add_argument("--quiet", action="store_true", help="names of cases that differ, without what differs")


def run(arguments: argparse.Namespace) -> int:
    """Compare; 0 when every case is the same."""
    from labkit.conformance import answers, comparing

    recorded = answers.Answers(arguments.answers)
    comparison = comparing.Comparison(recorded)
    chosen = [
        case
        for case in recorded.cases()
        if (not arguments.family or case.family in arguments.family)
        and (not arguments.case or case.name in arguments.case)
    ]
    same: collections.Counter[str] = collections.Counter()
    every: collections.Counter[str] = collections.Counter()
    for case in chosen:
        outcome = comparison.outcome(case)
        every[case.family] += 1
        same[case.family] += outcome.is_same
        if not outcome.is_same:
            print(f"{case.family}/{case.name}: {len(outcome.differences)} differences")
            if not arguments.quiet:
                print("\n".join(outcome.differences))
    for family in sorted(every, key=FAMILIES.index):
        print(f"  {family:<10}{same[family]:>4} of {every[family]} the same")
    print(f"{sum(same.values())}/{len(chosen)} the same")
    return 0 if sum(same.values()) == len(chosen) else 1
