"""Lesson 00, start here: one exercise, to see what exercises are like."""

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources


def services(evidence: Evidence) -> Verdict:
    """Whether the filed number is the number of Services with a label ``app``."""
    every = evidence.resources(resources.SERVICES)
    labelled = sorted(resources.name_of(s) for s in every if "app" in resources.labels_of(s))
    pods = len(evidence.resources(resources.PODS))
    causes: dict[float, str] = {
        pods: f"{pods} is the number of pods: some services have several",
        1: "Bookinfo is one application, and the question is for the Services it is made of",
        3: "3 is the number of versions of reviews, which are pods behind one Service",
        len(every): "that is every Service, and one of them, kubernetes, is the cluster's own and has no label app",
    }
    return verdict.number(
        evidence.answer("00-1"),
        len(labelled),
        what="services of Bookinfo",
        shows=", ".join(labelled),
        causes=causes,
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
        right=(
            Right(how="a word", answer="four"),
            Right(how="a text", answer=" 4 services"),
            Right(how="a float", answer=4.0),
        ),
        wrong=(
            Wrong(why="pods counted", answer=6, says="6 is the number of pods"),
            Wrong(why="the cluster's own counted", answer=5, says="the cluster's own"),
            Wrong(why="the application counted", answer=1, says="Bookinfo is one application"),
            Wrong(why="versions counted", answer="three", says="versions of reviews"),
            Wrong(why="a name", answer="reviews", says="is no number"),
            Wrong(why="another number", answer="9", says="the cluster shows another number"),
        ),
    ),
)
