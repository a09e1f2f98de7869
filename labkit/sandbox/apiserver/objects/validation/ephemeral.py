"""Ephemeral containers, which are added to a running pod and never changed or taken away."""

from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, gonames, poddiff
from labkit.sandbox.apiserver.objects.validation.causes import Cause

SUBRESOURCE = "ephemeralcontainers"

_FORBIDDEN = ("lifecycle", "livenessProbe", "ports", "readinessProbe", "resources", "startupProbe")
"""Fields of other containers that make no sense for one that is neither restarted nor served."""


def problems(new: Object, old: Object) -> Iterator[Cause]:
    """What is wrong with the ephemeral containers of a pod, beside each field's own rules."""
    after, before = (obj["spec"].get("ephemeralContainers") or [] for obj in (new, old))
    by_name = {container.get("name"): container for container in after}
    for container in before:
        name, here = container["name"], "spec.ephemeralContainers"
        if name not in by_name:
            yield causes.forbidden(here, f'existing ephemeral containers "{name}" may not be removed\n')
        elif by_name[name] != container:
            shown = [gonames.internal("EphemeralContainer", one) for one in (container, by_name[name])]
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            yield causes.forbidden(here, text + poddiff.difference(*shown))
    others = [c["name"] for group in ("containers", "initContainers") for c in new["spec"].get(group) or []]
    for at, container in enumerate(after):
        here, name = f"spec.ephemeralContainers[{at}]", container.get("name")
        if name and (name in others or name in [c.get("name") for c in after[:at]]):
            yield causes.duplicate(f"{here}.name", name)
        target = container.get("targetContainerName")
        if target and target not in others:
            yield causes.missing(f"{here}.targetContainerName", target)
        for field in _FORBIDDEN:
            if container.get(field):
                yield causes.forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        for place, mount in enumerate(container.get("volumeMounts") or []):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    where = f"{here}.volumeMounts[{place}].{field}"
                    yield causes.forbidden(where, "cannot be set for an Ephemeral Container")
