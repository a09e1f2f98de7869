"""Lesson 00, start here: one exercise, to see what exercises are like."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources


def services(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of Services with a label ``app``."""
    found = [s for s in evidence.resources(resources.SERVICES) if "app" in resources.labels_of(s)]
    names = ", ".join(sorted(resources.name_of(s) for s in found))
    return verdict.number(
        evidence.answer("00-1"),
        len(found),
        what="services of Bookinfo",
        seen=names,
        causes={
            len(found) + 1: "one of the services is the cluster's own, and has no label app",
            6: "six are the pods",
        },
    )


EXERCISES = (
    Exercise(
        id="00-1",
        task="How many services is Bookinfo made of?",
        done_when="the number you filed is the number of services with a label app",
        check=services,
        hints=(
            'lab.kubectl("get services") lists them; one of them is not Bookinfo\'s.',
            'lab.kubectl("get services -l app") leaves out what has no label app.',
            "Product page, details, reviews, ratings.",
        ),
        answer=4,
        wrong=(
            Wrong(why="pods counted", answer=6, says="six are the pods"),
            Wrong(why="the cluster's own counted", answer=5, says="the cluster's own"),
            Wrong(why="a word", answer="four", says="not a number"),
        ),
    ),
)
