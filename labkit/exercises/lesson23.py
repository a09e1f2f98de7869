"""Lesson 23, upgrade Istio."""

from collections.abc import Sequence

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.install import control_planes, istio
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh import revisions

TAG, ROOM = "stable", "shop"
SWITCH = "istio-injection"

STEPS = {
    "a": "istioctl uninstall --revision canary",
    "b": "kubectl rollout restart deployment -n shop",
    "c": "istioctl tag set prod --revision default --overwrite",
    "d": "istioctl install, which brings the gateway back to the default revision",
}
"""The steps of a rollback, as the exercise lists them, mixed."""

LATE = (
    ("b", "a", "sidecars of shop still hang on canary: without it they get no new rule and no new certificate"),
    ("d", "a", "the gateway hangs on canary since its installation, and goes with it"),
    ("c", "b", "a restarted pod asks the revision of the tag at that moment: that is still canary"),
)
"""Two steps and what happens when the second one comes first."""


def tagged_room(evidence: Evidence) -> Verdict:
    """Whether namespace shop takes its sidecars from a tag that names a revision."""
    expected = f"a tag {TAG} for the default revision, and a namespace {ROOM} that names the tag"
    namespace = evidence.resource(resources.NAMESPACES, ROOM)
    if namespace is None:
        return verdict.not_yet(expected, f"there is no namespace {ROOM}", cause="it is not created so far")
    tag = _tag(evidence)
    if tag is None:
        return verdict.not_yet(
            expected,
            f"no webhook has the tag {TAG}",
            cause="istioctl tag set makes it, and says which revision it stands for",
            next_step=f'lab.istioctl("tag set {TAG} --revision default")',
        )
    revision = resources.labels_of(tag).get(revisions.LABEL, "")
    problem = _label_problem(resources.labels_of(namespace), revision)
    if problem:
        return verdict.not_yet(expected, *problem[:1], cause=problem[1])
    if revision != revisions.DEFAULT:
        return verdict.not_yet(
            expected,
            f"new pods in {ROOM} get their sidecar from {revision or 'nobody'}",
            cause=f"the tag {TAG} stands for the revision {revision}, and {revisions.DEFAULT} is asked for",
            next_step=f'lab.istioctl("tag set {TAG} --revision {revisions.DEFAULT} --overwrite")',
        )
    return verdict.passed(expected, f"new pods in {ROOM} get their sidecar from {revision}")


def _tag(evidence: Evidence) -> Object | None:
    hooks = evidence.everywhere(resources.MUTATING_WEBHOOKS)
    return next((w for w in hooks if resources.labels_of(w).get(revisions.TAG) == TAG), None)


def _label_problem(labels: dict[str, str], revision: str) -> tuple[str, str] | None:
    """What was seen and why it is wrong; None where the namespace names the tag and nothing else."""
    value = labels.get(revisions.LABEL)
    if SWITCH in labels:
        cause = f"{SWITCH} asks for the default revision, and wins over {revisions.LABEL}: take it off ({SWITCH}-)"
        return f"it has the label {SWITCH}={labels[SWITCH]}", cause
    if value is None:
        near = next((key for key in labels if key.startswith("istio.io/")), "")
        cause = f"a namespace names a revision or a tag by the label {revisions.LABEL}"
        return (f"it has the label {near}" if near else "it has no label of a revision"), cause
    if value == revision != TAG:
        cause = f"that is the revision itself: every such namespace is labelled anew at each upgrade; {TAG} moves"
        return f"it has the label {revisions.LABEL}={value}", cause
    if value != TAG:
        return f"it has the label {revisions.LABEL}={value}", f"no tag of that name is asked for: the tag is {TAG}"
    return None


def rollback(evidence: Evidence) -> Verdict:
    """Whether the filed order leaves no proxy without a control plane."""
    expected = "an order of a, b, c and d in which no proxy is without a control plane"
    answer = evidence.answer("23-2")
    if answer is None:
        return verdict.not_yet(expected, "nothing is filed", cause='lab.answer("23-2", "abcd") files an order')
    order = _letters(answer)
    if sorted(order) != sorted(STEPS):
        return verdict.not_yet(expected, f"{answer!r} is filed", cause="an order has each of a, b, c and d once")
    for first, second, happens in LATE:
        if order.index(second) < order.index(first):
            return verdict.not_yet(expected, f"{second} comes before {first}", cause=happens)
    return verdict.passed(expected, " → ".join(order))


def _letters(answer: object) -> list[str]:
    texts: Sequence[object] = answer if isinstance(answer, list | tuple) else str(answer)
    return [str(text).strip().lower() for text in texts if str(text).strip(" ,→->")]


def _namespace(labels: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {ROOM}\n  labels: {labels}\n"


def _webhook(tag: str) -> str:
    """What ``istioctl tag generate TAG --revision default`` prints."""
    injector = next(o for o in istio.objects() if resources.name_of(o) == control_planes.INJECTOR and "webhooks" in o)
    return manifests.dump(control_planes.tagged(injector, revisions.Revision(), tag)[0])


def _both(labels: str, tag: str = TAG) -> str:
    return f"{_webhook(tag)}---\n{_namespace(labels)}"


EXERCISES = (
    Exercise(
        id="23-1",
        task=f"Make a tag {TAG} for the default revision, and a namespace {ROOM} that takes its sidecars from the tag.",
        done_when="a webhook has the tag, and the namespace names the tag and nothing else about injection",
        check=tagged_room,
        hints=(
            "A tag is made by istioctl, a namespace names it by a label.",
            f"istioctl tag set {TAG} --revision default; the label is the one that names a revision.",
            f"labels: {{istio.io/rev: {TAG}}}, and no istio-injection",
        ),
        solution=_both(f"{{istio.io/rev: {TAG}}}"),
        wrong=(
            Wrong(why="no tag", yaml=_namespace(f"{{istio.io/rev: {TAG}}}"), says=f"no webhook has the tag {TAG}"),
            Wrong(
                why="another tag", yaml=_both("{istio.io/rev: stabel}", "stabel"), says=f"no webhook has the tag {TAG}"
            ),
            Wrong(
                why="both labels",
                yaml=_both(f"{{istio.io/rev: {TAG}, istio-injection: enabled}}"),
                says="wins over istio.io/rev",
            ),
            Wrong(why="the revision itself", yaml=_both("{istio.io/rev: default}"), says="labelled anew"),
            Wrong(why="the label of a tag", yaml=_both(f"{{istio.io/tag: {TAG}}}"), says="by the label istio.io/rev"),
            Wrong(why="a label of nothing", yaml=_both("{team: shop}"), says="it has no label of a revision"),
            Wrong(why="misspelt tag", yaml=_both("{istio.io/rev: stabel}"), says="no tag of that name"),
            Wrong(why="only the tag", yaml=_webhook(TAG), says=f"there is no namespace {ROOM}"),
        ),
        right=(
            Right(how="with a label of its own", yaml=_both(f"{{istio.io/rev: {TAG}, team: shop}}")),
            Right(
                how="with ambient switched off", yaml=_both(f"{{istio.io/rev: {TAG}, istio.io/dataplane-mode: none}}")
            ),
        ),
    ),
    Exercise(
        id="23-2",
        task="Bring four steps of a rollback into an order that leaves no proxy without a control plane.",
        done_when="the filed order has each step once, and none too early",
        check=rollback,
        hints=(
            "Ask of each step which proxies hang on canary after it.",
            "Removing a revision comes when nothing hangs on it: neither sidecars nor the gateway.",
            "The tag moves before the pods restart; the gateway moves any time before the end.",
        ),
        answer="cbda",
        right=(
            Right(how="the gateway first", answer="dcba"),
            Right(how="the gateway between", answer=["c", "d", "b", "a"]),
            Right(how="with arrows", answer="c -> b -> d -> a"),
            Right(how="capitals", answer="C, B, D, A"),
        ),
        wrong=(
            Wrong(why="uninstalled first", answer="acbd", says="sidecars of shop still hang on canary"),
            Wrong(why="gateway last", answer="cbad", says="the gateway hangs on canary"),
            Wrong(why="restart first", answer="bcda", says="that is still canary"),
            Wrong(why="a step left out", answer="cba", says="each of a, b, c and d once"),
            Wrong(why="words", answer="move, restart, remove", says="each of a, b, c and d once"),
        ),
    ),
)
