"""``istioctl experimental authz check``: which AuthorizationPolicies an Envoy enforces."""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from labkit.istioctl import tables, targets
from labkit.istioctl.proxyconfig import dumps
from labkit.istioctl.session import CommandError, Session

RULE = re.compile(r"^ns\[(?P<namespace>[^\]]*)\]-policy\[(?P<name>[^\]]*)\]-rule\[(?P<number>[^\]]*)\]$")


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``authz check``."""
    parser.add_argument("pod", nargs="?", default="")
    parser.add_argument("-f", "--file", default="")
    parser.add_argument("-a", "--all", action="store_true")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """A row a policy: its action, its name, how many of its rules the proxy has."""
    if not arguments.pod and not arguments.file:
        raise CommandError("check requires only <pod-name>[.<pod-namespace>]")
    text = session.read(arguments.file) if arguments.file else ""
    dump = json.loads(text or session.envoy(targets.pod(session, arguments.pod), "config_dump"))
    counts = Counter((action, name) for action, name, _ in set(policies(dump)))
    rows = [(action, name, count) for (action, name), count in sorted(counts.items())]
    session.print(*tables.lines(("ACTION", "AuthorizationPolicy", "RULES"), rows, padding=3))
    return 0


def policies(dump: Any) -> Iterator[tuple[str, str, str]]:
    """Action, ``name.namespace`` and rule of every policy in filters of listeners, or discovered beside them (ECDS)."""
    for place in (*dumps.listeners(dump), *dumps.parts(dump, "ecds_filters")):
        for config in _configs(place):
            for field, suffix in (("rules", ""), ("shadow_rules", " (dry-run)")):
                rules = config.get(field) or {}
                action = {"DENY": "DENY", "LOG": "AUDIT"}.get(rules.get("action", "ALLOW"), "ALLOW")
                for name in rules.get("policies") or {}:
                    match = RULE.match(name)
                    if match:
                        yield action + suffix, f"{match['name']}.{match['namespace']}", match["number"]


def _configs(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _configs(item)
    elif isinstance(value, dict):
        if str(value.get("@type", "")).endswith(".rbac.v3.RBAC"):
            yield value
        for item in value.values():
            yield from _configs(item)
