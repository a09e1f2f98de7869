"""A configuration for a Prometheus that was built without discovery in Kubernetes: it asks for targets over HTTP. Pure.

Relabeling stays Prometheus' own: the targets come with the labels ``__meta_kubernetes_…`` that it would have found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labkit.sandbox.apps.prometheus.config import ROLES

REFRESH = "5s"
"""How often targets are asked for: Prometheus' own discovery hands on changes at most so often."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """The configuration, and what it needs."""

    text: str
    roles: tuple[str, ...]
    """Roles that are asked for; empty where the file names no discovery in Kubernetes."""

    unsupported: tuple[str, ...] = ()
    """Parts of the discovery that are not carried out."""


def translated(text: str, *, url: str, token: str, folder: Path) -> Translation:
    """The file with ``http_sd_configs`` of ``url/ROLE``; names of rule files are relative to ``folder``.

    Raises yaml.YAMLError or ValueError for a text that is no configuration.
    """
    document = yaml.safe_load(text)
    if not isinstance(document, dict):
        raise ValueError("prometheus.yml must be a map with scrape_configs")
    roles: dict[str, None] = {}
    unsupported = []
    for job in document.get("scrape_configs") or []:
        discoveries = job.pop("kubernetes_sd_configs", None) or []
        over_http = [d["role"] for d in discoveries if d.get("role") in ROLES]
        roles |= dict.fromkeys(over_http)
        unsupported += list(_unsupported(job, discoveries))
        if over_http:
            asked = [_http(role, url, token) for role in over_http]
            job["http_sd_configs"] = [*(job.get("http_sd_configs") or []), *asked]
    if document.get("rule_files"):
        document["rule_files"] = [str(folder / name) for name in document["rule_files"]]
    return Translation(
        text=yaml.safe_dump(document, sort_keys=False), roles=tuple(roles), unsupported=tuple(unsupported)
    )


def _http(role: str, url: str, token: str) -> dict[str, Any]:
    # Without its type, Prometheus 2.42 sends the bare credentials here.
    bearer = {"type": "Bearer", "credentials": token}
    return {"url": f"{url}/{role}", "refresh_interval": REFRESH, "authorization": bearer}


def _unsupported(job: Mapping[str, Any], discoveries: list[Mapping[str, Any]]) -> Iterator[str]:
    where = f"scrape_configs[{job.get('job_name')}].kubernetes_sd_configs"
    for discovery in discoveries:
        if discovery.get("role") not in ROLES:
            yield f"{where} role {discovery.get('role')}"
        yield from (f"{where}.{name}" for name in sorted(discovery.keys() - {"role"}))
