"""Targets to scrape: what discovery finds, after a job's rules. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from labkit.sandbox.apps.prometheus import config, discovery, relabeling
from labkit.sandbox.apps.prometheus.promql import labels


@dataclass(frozen=True, kw_only=True)
class Target:
    """One page to read."""

    job: config.Job
    url: str
    labels: labels.Labels
    """What every sample of it gets: ``job``, ``instance`` and what the rules left."""
    discovered: Mapping[str, str] = field(compare=False, hash=False, repr=False)
    """The labels before the rules."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What a job has."""

    active: tuple[Target, ...] = ()
    dropped: tuple[Mapping[str, str], ...] = ()
    """Discovered labels of what the rules drop."""


def of_job(job: config.Job, objects: discovery.Objects) -> Targets:
    """All targets of a job, each once."""
    active: dict[tuple[str, labels.Labels], Target] = {}
    dropped = []
    for discovered in _discovered(job, objects):
        target = _target(job, discovered)
        if target is None:
            dropped.append(discovered)
        else:
            active.setdefault((target.url, target.labels), target)
    return Targets(active=tuple(active.values()), dropped=tuple(dropped))


def _discovered(job: config.Job, objects: discovery.Objects) -> Iterator[Mapping[str, str]]:
    every: list[Iterable[Mapping[str, str]]] = [map(dict, job.static)]
    every += [discovery.targets(role, objects) for role in job.roles]
    params = {f"__param_{name}": values[0] for name, values in job.params if values}
    for group in every:
        for discovered in group:
            yield {
                "job": job.name,
                "__scheme__": job.scheme,
                "__metrics_path__": job.path,
                **params,
                **discovered,
            }


def _target(job: config.Job, discovered: Mapping[str, str]) -> Target | None:
    result = relabeling.relabeled(discovered, job.rules)
    if result is None or not result.get("__address__"):
        return None
    address = result["__address__"]
    params = {name: list(values) for name, values in job.params}
    for name, value in result.items():
        if name.startswith("__param_"):
            params[name.removeprefix("__param_")] = [value, *params.get(name.removeprefix("__param_"), [])[1:]]
    path = result["__metrics_path__"]
    query = urlencode([(name, value) for name, values in params.items() for value in values])
    own = {name: value for name, value in result.items() if not name.startswith("__")}
    return Target(
        job=job,
        url=f"{result['__scheme__']}://{address}/{path.removeprefix('/')}{'?' + query if query else ''}",
        labels=labels.labels({"instance": address, **own}),
        discovered=discovered,
    )
