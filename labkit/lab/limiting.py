"""Rate limits of a lab: what a proxy and the rate limit service count."""

import time
from typing import TYPE_CHECKING

from labkit.kube import forwarding, resources, status
from labkit.lab import doors
from labkit.lab.connection import Connection
from labkit.telemetry import limits as counted

if TYPE_CHECKING:
    from labkit.views.limits import LimitView

SERVICE = "app=ratelimit"
PAGES = 6070
"""Where the rate limit service shows its limits and counts."""

CONFIGURATION = 5.0
"""Seconds for which a proxy's configuration is taken to be as it was."""


class Limiting:
    """Of one cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def limits(self, name: str = "istio-ingressgateway") -> "LimitView":
        """Every rate limit that a pod's proxy keeps itself, and those of the rate limit service, live.

        ``lab.limits("productpage")``: the tokens left, what was allowed and refused, asked against measured.
        """
        from labkit.views.limits import LimitView

        self._connection.proxy(name)  # its error names what there is to ask for
        return LimitView(name, _Reader(self._connection, name)).look()

    def read(self, name: str) -> list[counted.Limit]:
        """The same as records, once."""
        return _Reader(self._connection, name).read()


class _Reader:
    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name
        self._asked: dict[str, tuple[int, float]] = {}
        self._asked_at = float("-inf")

    def __call__(self) -> list[dict[str, object]]:
        return counted.rows(self.read())

    def read(self) -> list[counted.Limit]:
        # Asked anew each time: a pod that was made again has another proxy.
        proxy = self._connection.proxy(self._name)
        if time.monotonic() - self._asked_at > CONFIGURATION:
            self._asked = counted.configuration(proxy.ask("config_dump"))
            self._asked_at = time.monotonic()
        local = counted.of_proxy(proxy.ask("stats?filter=http_local_rate_limit"), self._asked)
        return [*local, *self._of_service()]

    def _of_service(self) -> list[counted.Limit]:
        api, namespace = self._connection.api, self._connection.namespace
        for pod in api.list(resources.PODS, namespace, labels=SERVICE):
            if (pod.get("status") or {}).get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
                continue
            name = resources.name_of(pod)
            try:
                pages = [
                    forwarding.page(api, namespace, name, PAGES, page, timeout=doors.TIMEOUT)
                    for page in ("rlconfig", "stats")
                ]
            except (status.StatusError, OSError) as e:
                raise doors.UnreachableError(f"The rate limit service {name}", e) from e
            return counted.of_service(*pages)
        return []
