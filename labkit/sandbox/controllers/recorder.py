"""Events as controllers record them."""

from labkit.kube.events import now, record

__all__ = ["now", "record"]
