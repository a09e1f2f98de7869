"""A picture of the mesh: boxes for workloads, lines for requests, and a button that sends some from outside.

It knows one callback, ``read()``, beside the one of a sender.
"""

from collections.abc import Callable
from typing import Any

import traitlets

from labkit.views import looking, sender

COLUMNS = {
    "istio-ingressgateway": 0,
    "productpage": 1,
    "details": 2,
    "reviews": 2,
    "ratings": 3,
    "httpbin": 2,
    "istiod": 4,
}
"""Where the course's applications stand, from left to right, by the label ``app``."""


class PictureView(looking.LookingView, sender.SenderView):
    """What the mesh and the graph have in common; a subclass draws what was read, in ``take``."""

    nodes: Any = traitlets.List().tag(sync=True)
    edges: Any = traitlets.List().tag(sync=True)
    load = traitlets.Unicode().tag(sync=True)
    """What is sent: ``10 requests per second for /productpage``; empty where nothing can be."""

    def __init__(
        self, read: Callable[[], Any], *, send: sender.Send | None, load: str, every: float | None, **traits: Any
    ) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        super().__init__(read=read, every=every, send=send, load=load if send else "", **traits)

    def take(self, reading: Any, *, now: float) -> None:
        """Draw a reading that was made at ``now``, in seconds of any clock."""
        raise NotImplementedError

    def leaves(self) -> None:
        """Nobody looks: nothing is read, and nothing is sent."""
        super().leaves()
        self.running = False
