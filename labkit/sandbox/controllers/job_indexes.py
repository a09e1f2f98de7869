"""Indexes of Jobs with ``completionMode: Indexed``: their text, their pods, and which come next. Pure."""

from collections.abc import Collection, Iterable

from labkit.kube import resources
from labkit.kube.resources import Object

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
VARIABLE = "JOB_COMPLETION_INDEX"


def is_indexed(job: Object) -> bool:
    """Whether each pod of a Job does a part with a number."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def parse(text: str | None, below: int) -> frozenset[int]:
    """``"0,2-4"`` → {0, 2, 3, 4}, without numbers that are not below the limit."""
    numbers: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers |= set(range(int(first), min(int(last or first) + 1, below)))
    return frozenset(numbers)


def text(indexes: Collection[int]) -> str:
    """{0, 2, 3, 4} → ``"0,2-4"``; two neighbours are listed one by one, as the real controller does."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    parts = (f"{r[0]}-{r[-1]}" if len(r) > 2 else ",".join(map(str, r)) for r in runs)
    return ",".join(parts)


def index_of(pod: Object) -> int | None:
    """The index of a pod; None for a pod without."""
    value = resources.annotations_of(pod).get(INDEX, "")
    return int(value) if value.isdigit() else None


def failures_of(pod: Object) -> int:
    """How often the pods of its index had failed before a pod was made."""
    value = resources.annotations_of(pod).get(FAILURES, "0")
    return int(value) if value.isdigit() else 0


def pending(completions: int, taken: Iterable[Collection[int]], number: int) -> list[int]:
    """The lowest indexes that are neither done nor worked on."""
    away = frozenset().union(*map(frozenset, taken))
    return [index for index in range(completions) if index not in away][: max(0, number)]


def pod_of(pod: Object, job: Object, index: int, failures: int | None) -> Object:
    """A pod of a Job made the one of an index; ``failures`` where the Job counts them by index."""
    name, metadata, spec = resources.name_of(job), pod["metadata"], dict(pod["spec"])
    notes = {INDEX: str(index)} | ({FAILURES: str(failures)} if failures is not None else {})
    field = {"fieldPath": f"metadata.labels['{INDEX}']"}
    variable = {"name": VARIABLE, "valueFrom": {"fieldRef": field}}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_with(container, variable) for container in spec[kind]]
    spec["hostname"] = f"{name}-{index}"
    metadata = {
        **metadata,
        "generateName": f"{name}-{index}-",
        "annotations": {**(metadata.get("annotations") or {}), **notes},
        "labels": {**(metadata.get("labels") or {}), INDEX: str(index)},
    }
    return {**pod, "metadata": metadata, "spec": spec}


def _with(container: Object, variable: Object) -> Object:
    env = container.get("env") or []
    if any(one["name"] == VARIABLE for one in env):
        return container
    return {**container, "env": [*env, variable]}
