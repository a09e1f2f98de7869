"""Asking one Envoy which way a request would take."""

import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from labkit.mesh.explain import explanations
from labkit.telemetry import proxies
from labkit.views import way


def explain(
    proxy: proxies.Proxy, where: str, *, gateway: Callable[[], str], method: str, headers: Mapping[str, str]
) -> way.Way:
    """The way of a request by its path at the gateway, or by its URL inside the mesh."""
    url = where if "://" in where else gateway() + where
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    request = explanations.Request(host=parts.netloc, path=path or "/", method=method, headers=dict(headers))
    config = explanations.from_dump(json.loads(proxy.ask("config_dump?include_eds")))
    port = parts.port or 80
    # A real sidecar has a listener a port, the sandbox's and a gateway have one for all: that is the second try.
    explanation = explanations.explain(config, request, port=port)
    if not explanation.listener:
        explanation = explanations.explain(config, request)
    return way.Way(request=f"{method} {url}", proxy=proxy.name, explanation=explanation)
