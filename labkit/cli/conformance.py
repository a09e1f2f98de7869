"""``./lab conformance``: Istio's promises on live traffic; with recorded answers, what each proxy is sent, or has."""

import argparse
import collections
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.clusters.cluster import Cluster
    from labkit.conformance.answers import Case
    from labkit.conformance.comparing import Comparison


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``conformance``."""
    facts = parser.add_argument_group("facts, on a sandbox of their own or on the cluster that was chosen")
    facts.add_argument("--fact", action="append", type=int, metavar="N", help="only this one; may be repeated")
    facts.add_argument("--kubeconfig", type=Path, metavar="PATH", help="a cluster with Istio; namespaces come and go")
    facts.add_argument("--context", metavar="NAME", help="a context in it; its current one otherwise")
    facts.add_argument("--samples", type=Path, metavar="FOLDER", help="samples/ of an Istio release")
    answers = parser.add_argument_group("recorded answers of real Istio, without a cluster")
    answers.add_argument("--answers", type=Path, metavar="PLACE", help="a folder, or an archive of tests/answers")
    answers.add_argument("--family", action="append", metavar="NAME", help="only these cases; may be repeated")
    answers.add_argument("--case", action="append", metavar="NAME", help="only these cases; may be repeated")
    answers.add_argument("--capture", action="store_true", help="compare how connections are captured as well")
    answers.add_argument("--running", action="store_true", help="on a sandbox of their own: ask the running Envoys")
    answers.add_argument("--quiet", action="store_true", help="names of cases that differ, without what differs")


def run(arguments: argparse.Namespace) -> int:
    """Compare or measure; 0 when everything is as it should be."""
    return _answers(arguments) if arguments.answers else _facts(arguments)


def _facts(arguments: argparse.Namespace) -> int:
    from labkit.conformance.facts import running, table

    folder, facts = running.samples(arguments.samples), running.chosen(arguments.fact or ())
    outcomes = []
    with _cluster(arguments) as cluster, running.ground_of(cluster, folder) as ground:
        print(table.head(), flush=True)
        for outcome in running.outcomes(ground, facts):
            outcomes.append(outcome)
            print(table.row(outcome), flush=True)
    print(table.foot(outcomes))
    return 1 if any(outcome.verdict == "false" for outcome in outcomes) else 0


@contextlib.contextmanager
def _cluster(arguments: argparse.Namespace) -> Iterator["Cluster"]:
    from labkit.base import choice
    from labkit.clusters import cluster
    from labkit.conformance.facts import running
    from labkit.install import istio

    chosen = choice.current()
    if arguments.kubeconfig:
        chosen = choice.Choice(kubeconfig=arguments.kubeconfig.expanduser(), context=arguments.context)
    if chosen.kubeconfig is None:
        with running.throwaway() as throwaway:
            yield throwaway
        return
    print(f"on {chosen}", flush=True)
    named = cluster.of_choice(chosen)
    istio.install(named.client())
    yield named


def _answers(arguments: argparse.Namespace) -> int:
    from labkit.conformance import answers, comparing, deployed
    from labkit.conformance.facts import running

    recorded = answers.parts(arguments.answers, with_capture=arguments.capture)
    chosen = answers.chosen(recorded, families=arguments.family, names=arguments.case)
    if not arguments.running:
        return _compare([(comparing.Comparison(part), cases) for part, cases in chosen], quiet=arguments.quiet)
    same = True
    for part, cases in chosen:
        with running.throwaway() as cluster:
            mesh = deployed.Deployed(cluster, part.extra(), is_ambient=part.is_ambient)
            same &= _compare([(comparing.Comparison(part, mesh.dumps), cases)], quiet=arguments.quiet) == 0
    return 0 if same else 1


def _compare(comparisons: list[tuple["Comparison", list["Case"]]], *, quiet: bool) -> int:
    same, every = collections.Counter[str](), collections.Counter[str]()
    for case, outcome in ((c, comparison.outcome(c)) for comparison, cases in comparisons for c in cases):
        every[case.family] += 1
        same[case.family] += outcome.is_same
        if not outcome.is_same:
            print(f"{case.family}/{case.name}: {len(outcome.differences)} differences", flush=True)
            if not quiet:
                print("\n".join(outcome.differences))
    for family in every:
        print(f"  {family:<16}{same[family]:>4} of {every[family]} the same")
    print(f"{same.total()}/{every.total()} the same")
    return 0 if same == every else 1
