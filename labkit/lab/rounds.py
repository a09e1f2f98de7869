"""A load from inside the mesh that goes on beside a notebook, in short rounds: what ends it ends it soon."""

import threading
from collections.abc import Callable, Mapping

from labkit.base import errors
from labkit.telemetry import inside

SECONDS = 4.0
"""One round. A program that ``kubectl exec`` started may outlive it on a real cluster, so it ends by itself."""

OnCounts = Callable[[Mapping[int, int]], None]


class Rounds:
    """Rounds one after the other in a thread, until ``stop`` or until one fails."""

    def __init__(self, send: Callable[[], inside.Counts], on_counts: OnCounts) -> None:
        self._send, self._on_counts = send, on_counts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="labkit-load", daemon=True)

    def start(self) -> "Rounds":
        """Begin; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Begin no further round."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                counts = self._send()
            except errors.LabError:
                return
            if not counts.by_status:
                return  # nothing was sent: the pod is not there
            if not self._ended.is_set():
                self._on_counts(counts.by_status)
