"""The programs that stand for container images: Bookinfo, httpbin, helloworld and the clients.

Standard library only: the launcher loads them once and forks a process for each container.
"""

from labkit.sandbox.apps import system

_HERE = "labkit.sandbox.apps"

SYSTEM = f"{_HERE}.system:main"
"""Replaces itself by the machine's own program of that name."""

COMMANDS: dict[str, str] = {
    "curl": SYSTEM if system.path_of("curl") else f"{_HERE}.curl:main",
    "fortio": f"{_HERE}.fortio:main",
    "nc": f"{_HERE}.nc:main",
    **dict.fromkeys(
        ("bash", "cat", "date", "echo", "env", "false", "grep", "head", "hostname", "id", "ls", "pwd"), SYSTEM
    ),
    **dict.fromkeys(
        ("printenv", "ps", "seq", "sh", "sleep", "sort", "tail", "test", "true", "uniq", "wc", "which"), SYSTEM
    ),
    "python": f"{_HERE}.system:python",
    "python3": f"{_HERE}.system:python",
}
"""What ``exec`` finds in every container: entries by the command's first word, which is their ``argv[0]``."""

_BOOKINFO = {
    "productpage-v1": "productpage:v1",
    "productpage-v-flooding": "productpage:flooding",
    "details-v1": "details:v1",
    "details-v2": "details:v2",
    "ratings-v1": "ratings:v1",
    "ratings-v2": "ratings:v2",
    "ratings-v-faulty": "ratings:faulty",
    "ratings-v-delayed": "ratings:delayed",
    "ratings-v-unavailable": "ratings:unavailable",
    "ratings-v-unhealthy": "ratings:unhealthy",
    "reviews-v1": "reviews:v1",
    "reviews-v2": "reviews:v2",
    "reviews-v3": "reviews:v3",
}

_OTHERS = {
    "examples-helloworld-v1": "helloworld:v1",
    "examples-helloworld-v2": "helloworld:v2",
    "go-httpbin": "httpbin:main",
    "httpbin": "httpbin:main",
    "fortio": "fortio:main",
    "tcp-echo-server": "tcpecho:main",
    "curl": "idle:main",
    "sleep": "idle:main",
    "busybox": "idle:main",
}

PROGRAMS: dict[str, tuple[str, dict[str, str]]] = {
    **{f"examples-bookinfo-{name}": (f"{_HERE}.bookinfo.{entry}", COMMANDS) for name, entry in _BOOKINFO.items()},
    **{name: (f"{_HERE}.{entry}", COMMANDS) for name, entry in _OTHERS.items()},
}
"""By the last part of an image's name: what its container runs, and the commands to be found in it."""
