"""What upstream Envoy gets in the place of the filters that only Istio's build has."""

from typing import Any

from labkit.mesh.envoy import istios_filters

GONE = (istios_filters.STATS, istios_filters.PEERS, istios_filters.ALPN)


def replaced(part: Any) -> Any:
    """The same part without Istio's filters; what has none is the very same object."""
    if isinstance(part, dict):
        changed = {key: new for key, value in part.items() if (new := replaced(value)) is not value}
        return {**part, **changed} if changed else part
    if isinstance(part, list):
        items = [replaced(item) for item in part if not (isinstance(item, dict) and item.get("name") in GONE)]
        return items if len(items) != len(part) or any(a is not b for a, b in zip(items, part, strict=True)) else part
    return part
