"""Where an Envoy gets its certificates: in Istio from the agent beside it, here on its own stream from istiod."""

from typing import Any

from labkit.mesh.model import Resource

AGENT = "sds-grpc"
"""The cluster of Istio's agent."""

STREAM: Resource = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def by_stream(part: Any) -> Any:
    """The same with every question to the agent asked on the stream; what asks none is the very same object."""
    if isinstance(part, dict):
        if _asks_agent(part):
            return STREAM
        changed = {key: new for key, value in part.items() if (new := by_stream(value)) is not value}
        return {**part, **changed} if changed else part
    if isinstance(part, list):
        items = [by_stream(item) for item in part]
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    return part


def _asks_agent(part: dict[str, Any]) -> bool:
    source = part.get("api_config_source")
    services = source.get("grpc_services") or [] if isinstance(source, dict) else []
    return any((service.get("envoy_grpc") or {}).get("cluster_name") == AGENT for service in services)
