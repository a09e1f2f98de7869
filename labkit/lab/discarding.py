"""Deleting what a lesson made, by kind and name; what the kit did not make stays."""

import json
from collections.abc import Sequence

from labkit.install import ownership
from labkit.kube import marks
from labkit.kube.resources import Object
from labkit.lab import applying
from labkit.lab.kubectl import Kubectl
from labkit.views import results


def discard(kubectl: Kubectl, names: Sequence[str], *, is_owned: bool) -> results.Changes:
    """Delete those of these objects, ``deployment/client``, that the kit may take; the others stand in the warnings."""
    live = _live(kubectl, names)
    going = [name for name, obj in live.items() if is_owned or marks.is_ours(obj)]
    staying = ", ".join(ownership.name_of(obj) for name, obj in live.items() if name not in going)
    command = f"kubectl delete {' '.join(names)}"
    if not going:
        return results.Changes(changes=(), warnings=_warnings(staying), command=command)
    changes = applying.changes(kubectl(["delete", "--ignore-not-found", *going]), command)
    return results.Changes(changes=changes.changes, warnings=[*changes.warnings, *_warnings(staying)], command=command)


def _live(kubectl: Kubectl, names: Sequence[str]) -> dict[str, Object]:
    """The objects that are there, by the names that they were asked for with."""
    live = {}
    for name in names:
        text = kubectl(["get", name, "--ignore-not-found", "-o", "json"]).out
        if text.strip():
            live[name] = json.loads(text)
    return live


def _warnings(staying: str) -> list[str]:
    return [ownership.left_alone(staying)] if staying else []
