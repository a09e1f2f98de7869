"""Who owns the replicas: an object's managedFields as its Scale shows them, and back.

The Scale's entries bear its own version, ``autoscaling/v1``: an updater of the object and one of its Scale are
two managers.
"""

from dataclasses import replace

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import ownership
from labkit.sandbox.apiserver.objects.fieldsets import Path
from labkit.sandbox.apiserver.objects.ownership import UPDATE, Entry, Managed, Manager

VERSION = "autoscaling/v1"
REPLICAS: Path = ("f:spec", "f:replicas")


def of_scale(managed: list[Object], path: Path) -> list[Object]:
    """The entries of an object that own its replicas, which stand at ``path``, as entries of its Scale."""
    entries = {
        _renamed(who, VERSION): Entry(paths={REPLICAS}, api_version=VERSION, time=entry.time)
        for who, entry in ownership.managed_of(managed).items()
        if path in entry.paths
    }
    return ownership.entries_of(entries)


def of_object(managed: list[Object], scaled: list[Object], path: Path, api_version: str) -> list[Object]:
    """The object's entries after a write to its Scale, which left the entries ``scaled`` there."""
    owners = ownership.managed_of(scaled)
    kept: Managed = {}
    for who, entry in ownership.managed_of(managed).items():
        if path not in entry.paths or who in owners:
            kept[who] = entry
            owners.pop(who, None)
        elif paths := entry.paths - {path}:
            # Whoever wrote the Scale takes the replicas over, or holds them by an entry of their own from now on.
            kept[who] = replace(entry, paths=paths)
    owned = {
        who: Entry(paths={path}, api_version=api_version) for who, entry in owners.items() if REPLICAS in entry.paths
    }
    return ownership.entries_of(kept | owned)


def _renamed(who: Manager, api_version: str) -> Manager:
    return replace(who, api_version=api_version) if who.operation == UPDATE else who
