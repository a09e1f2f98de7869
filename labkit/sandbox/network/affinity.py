"""``sessionAffinity: ClientIP``: a caller meets the endpoint it met before, for as long as it comes back in time."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

Endpoint = tuple[str, int]

DEFAULT_SECONDS = 10800
"""Three hours, as in Kubernetes."""


def seconds_of(spec: Mapping[str, Any]) -> int:
    """How long a Service's callers are remembered after their last connection; 0 for not at all."""
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    given = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    return int(given or DEFAULT_SECONDS)


class Sessions:
    """Which endpoint each caller met last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._met: dict[tuple[object, str], tuple[Endpoint, float]] = {}

    def __repr__(self) -> str:
        return f"Sessions({len(self._met)} callers)"

    def endpoint(
        self,
        port: object,
        caller: str,
        *,
        seconds: int,
        among: Collection[Endpoint],
        otherwise: Callable[[], Endpoint],
    ) -> Endpoint:
        """The endpoint of before where it is still among them and the caller came back in time, else another one."""
        if not seconds or not caller:
            return otherwise()
        now = self._clock()
        endpoint, last = self._met.get((port, caller), (None, now))
        if endpoint is None or endpoint not in among or now - last > seconds:
            endpoint = otherwise()
        self._met[port, caller] = endpoint, now
        return endpoint
