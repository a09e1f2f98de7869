"""``prometheus.yml`` as records; what is not carried out is kept by name, to be said when the file is read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from labkit.sandbox.apps.prometheus.promql.errors import UnreadableError
from labkit.sandbox.apps.prometheus.promql.labels import Labels, labels
from labkit.sandbox.apps.prometheus.promql.matchers import regex
from labkit.sandbox.apps.prometheus.relabeling import ACTIONS, Rule

ROLES = ("pod", "endpoints", "service", "node")
"""Kinds of targets that Kubernetes' discovery finds here."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")

_GLOBAL = frozenset({"scrape_interval", "scrape_timeout", "evaluation_interval"})
_JOB = frozenset(
    {
        "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params", "honor_labels",
        "honor_timestamps", "kubernetes_sd_configs", "static_configs", "relabel_configs", "metric_relabel_configs",
        "bearer_token_file", "authorization", "tls_config",
    }
)  # fmt: skip


class ConfigError(Exception):
    """A file that cannot be used; the text names the place."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One entry of ``scrape_configs``."""

    name: str
    interval: float
    """Seconds between two scrapes of a target."""
    timeout: float
    """Seconds that a scrape may take."""
    path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    honor_labels: bool = False
    """Whether a target's own labels win against the target's labels."""
    roles: tuple[str, ...] = ()
    static: tuple[Labels, ...] = ()
    """Labels of targets that the file names, with ``__address__``."""
    rules: tuple[Rule, ...] = ()
    metric_rules: tuple[Rule, ...] = ()
    token_file: str = ""
    authority_file: str = ""
    is_unverified: bool = False
    """Whether any certificate of a target will do."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The file."""

    jobs: tuple[Job, ...] = ()
    evaluation_interval: float = 60.0
    """Seconds; a subquery's step where it names none."""
    unsupported: tuple[str, ...] = ()
    """Parts that the file asks for and that are not carried out."""
    text: str = field(default="", repr=False)


def load(path: Path) -> Config:
    """The file at ``path``; ConfigError."""
    try:
        return parse(path.read_text(), path.parent)
    except OSError as e:
        raise ConfigError(f"error loading config from {str(path)!r}: {e.strerror}") from e


def parse(text: str, folder: Path = Path()) -> Config:
    """The text of a file; rule files are looked for in ``folder``."""
    try:
        document = yaml.safe_load(text) or {}
        if not isinstance(document, dict):
            raise ConfigError("prometheus.yml must be a map with scrape_configs")
        settings = document.get("global") or {}
        jobs = [_job(entry, settings) for entry in document.get("scrape_configs") or []]
        names = [job.name for job in jobs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"found multiple scrape configs with job name {twice[0]!r}")
        return Config(
            jobs=tuple(jobs),
            evaluation_interval=seconds(settings.get("evaluation_interval", "1m")),
            unsupported=tuple(_unsupported(document, folder)),
            text=text,
        )
    except yaml.YAMLError as e:
        raise ConfigError(f"prometheus.yml is not YAML: {e}") from e
    except (TypeError, ValueError, KeyError, AttributeError, UnreadableError) as e:
        raise ConfigError(f"prometheus.yml: {type(e).__name__}: {e}") from e


def seconds(duration: Any) -> float:
    """``1m30s`` gives 90; ValueError for what is no duration of Prometheus."""
    text = str(duration)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a valid duration string: {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _job(entry: Mapping[str, Any], settings: Mapping[str, Any]) -> Job:
    authorization, tls = entry.get("authorization") or {}, entry.get("tls_config") or {}
    interval = seconds(entry.get("scrape_interval") or settings.get("scrape_interval") or "1m")
    timeout = seconds(entry.get("scrape_timeout") or settings.get("scrape_timeout") or "10s")
    discoveries = entry.get("kubernetes_sd_configs") or []
    return Job(
        name=str(entry["job_name"]),
        interval=interval,
        timeout=min(timeout, interval),
        path=str(entry.get("metrics_path") or "/metrics"),
        scheme=str(entry.get("scheme") or "http"),
        params=tuple((name, tuple(map(str, values))) for name, values in (entry.get("params") or {}).items()),
        honor_labels=bool(entry.get("honor_labels")),
        roles=tuple(d["role"] for d in discoveries if d["role"] in ROLES),
        static=tuple(_static(entry)),
        rules=tuple(_rule(rule) for rule in entry.get("relabel_configs") or []),
        metric_rules=tuple(_rule(rule) for rule in entry.get("metric_relabel_configs") or []),
        token_file=str(entry.get("bearer_token_file") or authorization.get("credentials_file") or ""),
        authority_file=str(tls.get("ca_file") or ""),
        is_unverified=bool(tls.get("insecure_skip_verify")),
    )


def _static(entry: Mapping[str, Any]) -> Iterator[Labels]:
    for group in entry.get("static_configs") or []:
        own = {str(name): _text(value) for name, value in (group.get("labels") or {}).items()}
        for address in group.get("targets") or []:
            yield labels({**own, "__address__": str(address)})


def _rule(entry: Mapping[str, Any]) -> Rule:
    values = {name: value for name, value in entry.items() if name != "source_labels"}
    action = str(values.get("action", "replace")).lower()
    if action not in ACTIONS:
        raise ValueError(f"unknown relabel action {action!r}")
    texts = {name: _text(value) for name, value in values.items() if name not in ("action", "modulus")}
    rule = Rule(
        action=action,
        source_labels=tuple(map(str, entry.get("source_labels") or ())),
        modulus=int(values.get("modulus") or 0),
        **texts,
    )
    regex(rule.regex)
    return rule


def _text(value: Any) -> str:
    """A scalar as it stands in the file: YAML reads ``regex: true`` as a boolean."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unsupported(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for part in sorted(document.keys() - {"global", "scrape_configs", "rule_files"}):
        if document[part]:
            yield part
    yield from (f"global.{name}" for name in sorted((document.get("global") or {}).keys() - _GLOBAL))
    for entry in document.get("scrape_configs") or []:
        where = f"scrape_configs[{entry['job_name']}]"
        yield from (f"{where}.{name}" for name in sorted(entry.keys() - _JOB))
        for discovery in entry.get("kubernetes_sd_configs") or []:
            if discovery["role"] not in ROLES:
                yield f"{where}.kubernetes_sd_configs role {discovery['role']}"
            yield from (f"{where}.kubernetes_sd_configs.{name}" for name in sorted(discovery.keys() - {"role"}))
    for name in document.get("rule_files") or []:
        for path in folder.glob(Path(name).name):
            if path.is_file() and (yaml.safe_load(path.read_text()) or {}).get("groups"):
                yield f"rule_files: the groups of {name}"
