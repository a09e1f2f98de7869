"""The programs that stand for Istio's images."""

_HERE = "labkit.sandbox.xds"

PROGRAMS: dict[str, tuple[str, dict[str, str]]] = {
    "pilot": (f"{_HERE}.istiod:main", {}),
    "proxyv2": (f"{_HERE}.agent:main", {"pilot-agent": f"{_HERE}.pilot_agent:main"}),
}
"""By the last part of an image's name: what its container runs, and the commands to be found in it."""
