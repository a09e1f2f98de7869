"""Labels that the kit sets on namespaces of somebody else's: remembered there, so that they can be taken back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.clusters import capabilities
from labkit.kube import client, marks, resources, status
from labkit.kube.resources import Object

Labels = Mapping[str, str | None]
"""What labels say; None for none."""

BEFORE = "labkit.dev/labels-before"
"""On a namespace: what each label said before the kit set it, and what the kit set, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A namespace on which the kit has set labels, and what takes them back."""

    namespace: str
    before: Labels
    """Of labels that still say what the kit set; those that somebody changed since are theirs."""

    def __str__(self) -> str:
        words = " ".join(f"{name}={value}" if value else f"{name}-" for name, value in self.before.items())
        return f"Namespace {self.namespace}, whose labels become {words or 'what they are'}"


def put(api: client.Client, namespace: Object, changes: Labels) -> None:
    """Set labels; a namespace of somebody else's remembers what they said before."""
    metadata: dict[str, object] = {"labels": dict(changes)}
    if not marks.is_ours(namespace) and capabilities.OWNED not in capabilities.ask(api):
        metadata["annotations"] = {BEFORE: json.dumps(_remembered(namespace, changes), sort_keys=True)}
    api.patch(resources.NAMESPACES, resources.name_of(namespace), None, {"metadata": metadata})


def _remembered(namespace: Object, changes: Labels) -> dict[str, list[str | None]]:
    """What a label said first stays, however often the kit sets it."""
    live, older = resources.labels_of(namespace), _read(namespace)
    return {**older, **{name: [older.get(name, [live.get(name)])[0], value] for name, value in changes.items()}}


def _read(namespace: Object) -> dict[str, list[str | None]]:
    try:
        stored = json.loads(resources.annotations_of(namespace).get(BEFORE, "{}"))
        return {str(name): [pair[0], pair[1]] for name, pair in stored.items()}
    except (ValueError, AttributeError, LookupError, TypeError):
        return {}


def listed(api: client.Client, own: str) -> list[Labelled]:
    """Every namespace that bears a mark of ours; who may not list namespaces sees their ``own``."""
    try:
        namespaces = api.list(resources.NAMESPACES)
    except status.StatusError as e:
        if e.code != 403:
            raise
        namespaces = [one for one in [capabilities.readable(api, resources.NAMESPACES, own)] if one]
    return [of(namespace) for namespace in namespaces if BEFORE in resources.annotations_of(namespace)]


def of(namespace: Object) -> Labelled:
    """What takes the kit's labels back from a namespace."""
    live = resources.labels_of(namespace)
    before = {name: first for name, (first, ours) in _read(namespace).items() if live.get(name) == ours != first}
    return Labelled(namespace=resources.name_of(namespace), before=before)


def take_all_back(api: client.Client, labelled: Sequence[Labelled]) -> list[str]:
    """Let the labels say what they said before the kit came; a sentence for each namespace that does not let us."""
    problems = []
    for entry in labelled:
        metadata = {"labels": dict(entry.before), "annotations": {BEFORE: None}}
        try:
            api.patch(resources.NAMESPACES, entry.namespace, None, {"metadata": metadata})
        except status.StatusError as e:
            problems.append(f"Namespace {entry.namespace} keeps its labels: {e}")
    return problems
