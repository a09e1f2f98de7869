"""Requests as records, and a split view on fakes: what it applies is kept, what it receives is handed to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from labkit.base import errors
from labkit.kube import manifests
from labkit.lab import splitting
from labkit.traffic.results import Sent
from labkit.views import split


def sent(version: str = "v1", *, at: float = 0.0, status: int = 200, ms: float = 2.0, error: str = "") -> Sent:
    """One request."""
    return Sent(time=at, status=status, latency_ms=ms, version=version, pod="", bytes_received=0, error=error)


@dataclass
class Mesh:
    """A mesh that takes weights and sends what a test says."""

    applied: list[dict[str, int]] = field(default_factory=list)
    refuses: str = ""
    sending: bool = False
    on_batch: split.OnBatch | None = None

    def apply(self, weights: split.Weights) -> str:
        if self.refuses:
            raise errors.LabError(self.refuses)
        self.applied.append(dict(weights))
        return manifests.dump(splitting.virtual_service("reviews", weights, namespace="default"))

    def send(self, on_batch: split.OnBatch):
        self.on_batch, self.sending = on_batch, True

        def stop() -> None:
            self.sending = False

        return stop

    def answers(self, records: Sequence[Sent]) -> None:
        """Hand a batch to the view, as the traffic's thread does."""
        self.on_batch(records)

    def view(self, **weights: int) -> split.SplitView:
        """A split view of this mesh."""
        return split.SplitView("reviews", weights, apply=self.apply, send=self.send)


@pytest.fixture
def mesh():
    made = Mesh()
    yield made
    live = split.SplitView._live
    if live is not None:
        live.stop()
