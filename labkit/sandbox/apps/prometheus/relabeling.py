"""Relabeling: rules that keep, drop and rewrite the labels of targets and of what they expose. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labkit.sandbox.apps.prometheus.promql.matchers import regex
from labkit.sandbox.apps.prometheus.promql.texts import expand

ACTIONS = frozenset(
    {
        "replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod", "lowercase", "uppercase",
        "keepequal", "dropequal",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One entry of ``relabel_configs``."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0
    """For ``hashmod``."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The anchored expression, to be matched in full."""
        return regex(self.regex)


def relabeled(labels: Mapping[str, str], rules: Iterable[Rule]) -> dict[str, str] | None:
    """The labels after all rules; None when a rule drops them."""
    result: dict[str, str] | None = dict(labels)
    for rule in rules:
        if result is None:
            break
        result = _applied(result, rule)
    return result


def _applied(labels: dict[str, str], rule: Rule) -> dict[str, str] | None:
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    match rule.action:
        case "keep" | "drop":
            return labels if (rule.pattern.fullmatch(value) is not None) == (rule.action == "keep") else None
        case "keepequal" | "dropequal":
            return labels if (labels.get(rule.target_label, "") == value) == (rule.action == "keepequal") else None
        case "labeldrop" | "labelkeep":
            keeps = rule.action == "labelkeep"
            return {n: v for n, v in labels.items() if (rule.pattern.fullmatch(n) is not None) == keeps}
        case "labelmap":
            mapped = ((rule.pattern.fullmatch(name), text) for name, text in labels.items())
            return labels | {expand(match, rule.replacement): text for match, text in mapped if match}
        case "hashmod":
            digest = int.from_bytes(hashlib.md5(value.encode(), usedforsecurity=False).digest()[8:])
            return labels | {rule.target_label: str(digest % rule.modulus)}
        case "lowercase" | "uppercase":
            return labels | {rule.target_label: value.lower() if rule.action == "lowercase" else value.upper()}
    return _replaced(labels, rule, value)


def _replaced(labels: dict[str, str], rule: Rule, value: str) -> dict[str, str]:
    match = rule.pattern.fullmatch(value)
    if match is None:
        return labels
    name, text = expand(match, rule.target_label), expand(match, rule.replacement)
    if text:
        return labels | {name: text}
    return {label: v for label, v in labels.items() if label != name}
