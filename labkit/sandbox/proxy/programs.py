"""The commands that Istio's images bring."""

_HERE = "labkit.sandbox.proxy"

COMMANDS: dict[str, str] = {"pilot-agent": f"{_HERE}.pilot_agent:main"}
"""Entries by the command's first word."""
