"""Prometheus is sent to the agent, which has the proxy's metrics and those of the app."""

import json

from labkit.mesh.injection.settings import STATUS_PORT, Settings

SCRAPE, PATH, PORT = (f"prometheus.io/{word}" for word in ("scrape", "path", "port"))


def annotations(settings: Settings) -> dict[str, str]:
    """What Prometheus reads on an injected pod; nothing where the pod keeps its own."""
    if not settings.merges_metrics or settings.annotations.get(PORT) == STATUS_PORT:
        return {}
    return {PATH: "/stats/prometheus", PORT: STATUS_PORT, SCRAPE: "true"}


def app(settings: Settings) -> str:
    """Where the app's own metrics are, as the agent is told; empty where the pod does not say."""
    own = {
        word: settings.annotations.get(name, "") for word, name in (("scrape", SCRAPE), ("path", PATH), ("port", PORT))
    }
    is_told = any(own.values()) and bool(annotations(settings))
    return json.dumps(own, separators=(",", ":")) if is_told else ""
