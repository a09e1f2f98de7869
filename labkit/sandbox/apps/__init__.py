"""The programs that stand for container images: Bookinfo, httpbin, helloworld and the clients.

Standard library only: the launcher loads them once and forks a process for each container.
"""

from labkit.sandbox.apps import system

_HERE = "labkit.sandbox.apps"

SYSTEM = f"{_HERE}.system:main"
"""Replaces itself by the machine's own program of that name."""

CURL = f"{_HERE}.curl:machine"
"""The machine's curl after a look at where it is sent: without it, it would tell of a proxy where it meets nobody."""

MACHINES = (SYSTEM, CURL)
"""What a shell finds by PATH itself: an interpreter for each of many curls in a loop would take most of the time."""

COMMANDS: dict[str, str] = {
    "curl": CURL if system.path_of("curl") else f"{_HERE}.curl:main",
    "fortio": f"{_HERE}.fortio:main",
    "nc": f"{_HERE}.nc:main",
    "nslookup": f"{_HERE}.nslookup:main",
    **dict.fromkeys(
        ("bash", "cat", "date", "echo", "env", "false", "grep", "head", "hostname", "id", "ls", "pwd"), SYSTEM
    ),
    **dict.fromkeys(
        ("printenv", "ps", "seq", "sh", "sleep", "sort", "tail", "test", "true", "uniq", "wc", "wget", "which"), SYSTEM
    ),
    "python": f"{_HERE}.system:python",
    "python3": f"{_HERE}.system:python",
}
"""What ``exec`` finds in every container: entries by the command's first word, which is their ``argv[0]``."""


def is_machines(entry: str) -> bool:
    """Whether a container's process becomes a program of the machine, which knows no door and no socket of its pod."""
    return not entry or entry.startswith(SYSTEM.partition(":")[0])
