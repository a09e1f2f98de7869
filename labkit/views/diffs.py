"""What a change did to the configuration of Envoys, to be read: a paragraph per part, old lines and new ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from labkit.telemetry import differences
from labkit.telemetry.differences import Difference, Edit
from labkit.views import markup

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 14
"""Lines of one value that are shown; a whole listener has hundreds."""

HIDDEN = (
    "metadata",
    "decorator",
    "max_grpc_timeout",
    "@type",
    "stat_prefix",
    "case_sensitive",
    "request_headers_timeout",
)
"""Fields of a whole route or cluster that decide nothing about a request's way."""

DEFAULTS = {"timeout": "0s", "num_retries": 2}
"""Values that Istio writes where a rule says nothing; a retry policy with this number is its default one."""

STYLES = {"-": markup.ink("#b3261e"), "+": markup.ink("#00705a"), " ": markup.QUIET}


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Differences of all proxies, those alike told once."""

    differences: Sequence[Difference]

    def __repr__(self) -> str:
        return "\n".join(self._lines()) or "No Envoy has anything else than before."

    def _repr_html_(self) -> str:
        parts = []
        for part in self.parts():
            marked = "".join(
                f'<div style="{STYLES[line[0]]};white-space:pre-wrap;overflow-wrap:anywhere">{markup.text(line)}</div>'
                for line in part.lines
            )
            title = f"<b>{markup.text(part.title)}</b>"
            body = f'<div style="{markup.CODE};margin:.2em 0 .8em 1em">{marked}</div>'
            parts.append(f'<div>{title}<div style="{markup.QUIET}">{markup.text(part.where)}</div>{body}</div>')
        return f'<div style="{markup.BOX}">{"".join(parts) or markup.text(repr(self))}</div>'

    def table(self) -> "pd.DataFrame":
        """A row per field: kind, name, change, what, proxies."""
        return differences.frame(list(self.differences))

    def parts(self) -> list["Part"]:
        """One for each part that changed in the same way, and the proxies in which it did."""
        whose: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
        for difference in self.differences:
            lines = tuple(line for edit in difference.edits for line in _lines(edit))
            key = (difference.kind, difference.name, difference.change, lines)
            whose.setdefault(key, []).append(differences.workload(difference.proxy))
        return [
            Part(title=f"{kind} {name}: {change}", where=_where(pods), lines=lines)
            for (kind, name, change, lines), pods in whose.items()
        ]

    def _lines(self) -> Iterator[str]:
        for part in self.parts():
            yield f"{part.title}, {part.where}"
            yield from (f"  {line}" for line in part.lines)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One virtual host, cluster or listener."""

    title: str
    """``virtual host reviews.default.svc.cluster.local:9080: changed``."""

    where: str
    """``in 6 proxies: details-v1, …``."""

    lines: tuple[str, ...]
    """Each begins with ``-`` for what was, ``+`` for what is, or a blank for where it stands."""


def _where(pods: Sequence[str]) -> str:
    return f"in {len(pods)} prox{'y' if len(pods) == 1 else 'ies'}: {', '.join(pods)}"


def _lines(edit: Edit) -> Iterator[str]:
    if not _is_small(edit.old) or not _is_small(edit.new):
        yield f"  {edit.path}"
        yield from (f"-   {line}" for line in _block(edit.old))
        yield from (f"+   {line}" for line in _block(edit.new))
        return
    if edit.old is not None:
        yield f"- {edit.path}: {_plain(edit.old)}"
    if edit.new is not None:
        yield f"+ {edit.path}: {_plain(edit.new)}"


def _is_small(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _block(value: Any) -> list[str]:
    if value is None:
        return []
    lines: list[str] = yaml.safe_dump(_essential(value), sort_keys=False, width=110).rstrip("\n").splitlines()
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], f"… {rest} more lines"]


def _essential(value: Any) -> Any:
    """A value without what Istio writes into every route alike."""
    if isinstance(value, list):
        return [_essential(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _essential(item) for key, item in value.items() if key not in HIDDEN and not _is_default(key, item)}


def _is_default(key: str, item: Any) -> bool:
    if key == "retry_policy":
        return bool(item.get("num_retries") == DEFAULTS["num_retries"])
    return key in DEFAULTS and item == DEFAULTS[key]
