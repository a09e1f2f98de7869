"""Which facts, in which order, and what came of each."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from labkit.base import errors, settings
from labkit.clusters import sandbox
from labkit.clusters.cluster import Cluster
from labkit.conformance.facts import (
    authorization,
    connections,
    diagnosis,
    egress,
    faults,
    limits,
    mutual_tls,
    observing,
    resilience,
    routing,
    splitting,
)
from labkit.conformance.facts.fact import Checks, Fact, Outcome, Verdict
from labkit.conformance.facts.ground import Ground
from labkit.install import istio

GROUPS = (
    routing,
    splitting,
    faults,
    resilience,
    connections,
    egress,
    limits,
    mutual_tls,
    authorization,
    observing,
    diagnosis,
)

FACTS: tuple[Fact, ...] = tuple(sorted((f for group in GROUPS for f in group.FACTS), key=lambda f: f.number))
"""Every fact, by number."""


def samples(folder: Path | None) -> Path:
    """The folder of Istio's samples; SetupError where it is none."""
    next_step = "unpack samples/ of an Istio release and name it: ./lab conformance --samples FOLDER"
    if folder is None:
        raise errors.SetupError("The facts apply Istio's own sample manifests.", next_step=next_step)
    if not (folder / "bookinfo" / "networking").is_dir():
        problem = f"There are no samples of Istio in {folder} (bookinfo/networking is missing)."
        raise errors.SetupError(problem, next_step=next_step)
    return folder.resolve()


def chosen(numbers: Collection[int]) -> list[Fact]:
    """The facts of these numbers, or all; SetupError names those there are."""
    numbered = {fact.number for fact in FACTS}
    if unknown := sorted(set(numbers) - numbered):
        there = ", ".join(map(str, sorted(numbered)))
        raise errors.SetupError(f"There is no fact {unknown[0]}.", next_step=f"choose from {there}")
    return [fact for fact in FACTS if not numbers or fact.number in numbers]


@contextlib.contextmanager
def ground_of(cluster: Cluster, folder: Path, *, forget: bool = True) -> Iterator[Ground]:
    """Bookinfo and a client in namespaces of their own, until the end."""
    ground = Ground(cluster, folder)
    try:
        ground.prepare()
        yield ground
    finally:
        ground.close(forget=forget)


@contextlib.contextmanager
def throwaway() -> Iterator[Cluster]:
    """A sandbox with Istio that leaves nothing: the learner's own is not touched."""
    home = Path(tempfile.mkdtemp(prefix="labkit-facts-"))
    paths = settings.Paths(home=home)
    try:
        cluster = sandbox.start(paths)
        istio.install(cluster.client())
        yield cluster
    finally:
        sandbox.stop(paths)
        shutil.rmtree(home, ignore_errors=True)


def outcomes(ground: Ground, facts: Iterable[Fact]) -> Iterator[Outcome]:
    """Each, measured, as it comes."""
    for fact in facts:
        yield outcome(ground, fact)


def outcome(ground: Ground, fact: Fact) -> Outcome:
    """One fact, measured; what cannot be measured is not true."""
    if fact.needs and fact.needs not in ground.cluster.capabilities:
        return Outcome(fact=fact, verdict="skipped", observed=f"this cluster has no {fact.needs}", seconds=0.0)
    start, checks = time.monotonic(), Checks()
    try:
        fact.measure(ground, checks)
    except errors.LabError as e:
        checks.see(f"it could be measured: {e}", False)
    verdict: Verdict = "true" if checks.hold else "false"
    return Outcome(fact=fact, verdict=verdict, observed=repr(checks), seconds=time.monotonic() - start)
