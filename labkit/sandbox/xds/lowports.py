"""Whether a process without privileges may listen below port 1024: not on most machines, but in most containers."""

import os
from pathlib import Path

SETTING = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
HTTP = 80


def may_be_bound(setting: Path = SETTING) -> bool:
    """Whether a gateway's Envoy can take port 80 of its own address."""
    if os.geteuid() == 0:
        return True
    try:
        return int(setting.read_text()) <= HTTP
    except (OSError, ValueError):
        return False
