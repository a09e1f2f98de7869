"""The end of a namespace: waited for, and explained where something holds it."""

from datetime import UTC, datetime

from labkit.base import errors, waiting
from labkit.kube import client, resources
from labkit.kube.resources import Object

TIMEOUT = 60.0
"""Seconds; on a real cluster pods that ignore SIGTERM take 30."""

STUCK = 120.0
"""Seconds in Terminating from which waiting is no cure."""


def until_gone(api: client.Client, name: str) -> None:
    """Wait until a namespace that is being deleted is gone; an error says what holds it."""
    live = api.find(resources.NAMESPACES, name)
    if live is not None and age(live) > STUCK:
        raise errors.SetupError(
            f"Namespace {name} has been Terminating for {age(live):.0f} s: {holds(live)}.", next_step=mend(name)
        )
    waiting.until(
        lambda: api.find(resources.NAMESPACES, name) is None,
        what=f"the end of namespace {name}",
        timeout=TIMEOUT,
        next_step=mend(name),
        every=0.02,
        show=lambda _: holds(api.find(resources.NAMESPACES, name) or {}),
    )


def age(namespace: Object) -> float:
    """Seconds since its deletion was asked for; 0 where it was not."""
    text = namespace["metadata"].get("deletionTimestamp")
    if not text:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(text.replace("Z", "+00:00"))).total_seconds()


def holds(namespace: Object) -> str:
    """What keeps it, in the words of its conditions, which its controller writes."""
    conditions = (namespace.get("status") or {}).get("conditions") or []
    told = [c.get("message", c["type"]) for c in conditions if c.get("status") == "True"]
    finalizers = [*(namespace.get("metadata", {}).get("finalizers") or [])]
    told += [f"finalizer {name} of the namespace itself" for name in finalizers]
    return "; ".join(told) or "its controller says nothing yet"


def mend(name: str) -> str:
    """Where to look."""
    return f"kubectl get namespace {name} -o yaml names what holds it; remove that, or its finalizers"
