"""The labels ``pod-security.kubernetes.io/…`` of a namespace."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
"""From what allows everything to what allows least."""

LATEST = 1_000_000
"""The minor version that ``latest`` stands for."""

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, kw_only=True)
class Level:
    """A standard in one version of it."""

    name: str = "privileged"
    minor: int = LATEST
    """The ``32`` of ``v1.32``."""

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"

    @property
    def rank(self) -> int:
        """How strict it is."""
        return LEVELS.index(self.name)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A label whose value means nothing."""

    label: str
    value: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a namespace asks for."""

    enforce: Level = field(default_factory=Level)
    warn: Level = field(default_factory=Level)
    problems: tuple[Problem, ...] = ()


def policy_of(labels: Mapping[str, str]) -> Policy:
    """The policy of a namespace's labels; whoever enforces is warned too."""
    problems: list[Problem] = []
    enforce = _level(labels, "enforce", "restricted", problems)
    _level(labels, "audit", "privileged", problems)
    warn = _level(labels, "warn", "privileged", problems)
    has_level = labels.get(f"{PREFIX}enforce") in LEVELS
    if f"{PREFIX}warn" not in labels and has_level and enforce.rank > warn.rank:
        minor = warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor
        warn = Level(name=enforce.name, minor=minor)
    return Policy(enforce=enforce, warn=warn, problems=tuple(problems))


def _level(labels: Mapping[str, str], mode: str, otherwise: str, problems: list[Problem]) -> Level:
    name, minor = labels.get(f"{PREFIX}{mode}", "privileged"), LATEST
    if name not in LEVELS:
        text = f"must be one of {', '.join(LEVELS)}"
        problems.append(Problem(label=f"{PREFIX}{mode}", value=name, text=text))
        name = otherwise
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    if version != "latest":
        if match := _VERSION.fullmatch(version):
            minor = int(match[1])
        else:
            text = 'must be "latest" or "v1.x"'
            problems.append(Problem(label=f"{PREFIX}{mode}-version", value=version, text=text))
    return Level(name=name, minor=minor)
