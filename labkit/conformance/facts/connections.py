"""Fact 23: TCP, where each connection is one draw."""

from collections import Counter

from labkit.conformance.facts import clients
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import Ground

COUNT = 100
"""Connections; each is a process in the client's pod."""

TOGETHER = 10
"""How many are open at a time."""

EACH = "echo hello | nc -w 3 tcp-echo 9000"


def _tcp(ground: Ground, checks: Checks) -> None:
    ground.deploy("tcp-echo.yaml")
    ground.rules("tcp-echo-subsets.yaml", "tcp-echo-all-v1.yaml")
    checks.equal("all-v1", dict(_lines(ground, TOGETHER)), {"one hello": TOGETHER})
    ground.rules("tcp-echo-subsets.yaml", "tcp-echo-20-v2.yaml")
    lines = _lines(ground, COUNT)
    checks.split({line.partition(" ")[0]: number for line, number in lines.items()}, {"one": 80, "two": 20})
    checks.equal("answers", sum(lines.values()), COUNT)
    checks.say_how(ground)


def _lines(ground: Ground, count: int) -> Counter[str]:
    """What ``count`` connections were answered."""
    script = f"for i in $(seq {count // TOGETHER}); do {f'{EACH} & ' * TOGETHER}wait; done"
    return Counter(clients.execute(ground, "deploy/curl", "curl", "sh", "-c", script).out.splitlines())


FACTS = (
    Fact(
        number=23,
        sentence="TCP is split by connection: tcp-echo-all-v1, then a fifth to v2.",
        asked=f"all “one”; then one 80 %, two 20 % of {COUNT} connections",
        measure=_tcp,
    ),
)
