"""The file of the rate limit service as a check reads it: what holds for a value, and why another limit than asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.exercises.diagnosis import cause, limits, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.apps.ratelimit import configuration
from labkit.sandbox.apps.ratelimit.configuration import Domains, Limit

CONFIG_MAP, KEY = "ratelimit-config", "config.yaml"


@dataclass(frozen=True, kw_only=True)
class LimitFile:
    """What the ConfigMap says."""

    observed: str
    domain: str = ""
    domains: Domains = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    """Why it holds for nobody; empty where it can be asked."""

    aside: str = ""
    """Words about a ConfigMap that was written elsewhere; empty without one."""

    def wrong(self, name: str, key: str, value: str, *, per_minute: int) -> list[Cause]:
        """Why a value does not have that limit; nothing where it has."""
        limit = configuration.limit_of(self.domains, self.domain, [(key, value)])
        written = [other.key.removeprefix(f"{self.domain}.") for other in configuration.limits(self.domains)]
        if limit is None:
            guess = objects.did_you_mean(key, written)
            return [cause.shown(f"no descriptor fits {key}={value}, so nothing limits it{guess}")]
        if limit.is_shadow:
            return [cause.shown(f"{limit.key} is in shadow mode, which counts and refuses nothing (shadow_mode: true)")]
        if (limit.requests * 60 / limit.seconds if not limit.is_unlimited else 0) == per_minute and limit.seconds == 60:
            return []
        near = next((w for w in written if w != f"{key}_{value}" and w.lower() == f"{key}_{value}".lower()), "")
        other = near.removeprefix(f"{key}_")
        guess = f"; did you mean {other}? Values are compared letter by letter" if near else ""
        return [cause.shown(f"{name} has {_shown(limit)}, by {limit.key}{guess}{self.aside}")]


def read(evidence: Evidence) -> LimitFile:
    """The file as the service would read it now."""
    obj = evidence.resource(resources.CONFIG_MAPS, CONFIG_MAP)
    if obj is None:
        missing = cause.shown(f"ConfigMap {CONFIG_MAP} is not there", 'lab.apply("manifests/ratelimit.yaml")')
        return LimitFile(observed="the service has no file", causes=[missing])
    files: Mapping[str, str] = obj.get("data") or {}
    try:
        domains = configuration.read(files)
    except configuration.ConfigurationError as e:
        told = " ".join(str(e).split())
        kept = cause.shown(
            f"the service keeps its last good file: {told}", "kubectl logs deploy/ratelimit -c ratelimit"
        )
        return LimitFile(observed="a file that the service cannot read", causes=[kept])
    observed = "; ".join(map(str, configuration.limits(domains))) or "a file without a limit"
    config = evidence.config(GATEWAY)
    asked = [str(f.config.get("domain")) for f in limits.of_gateway(config)] if config is not None else []
    if not asked:
        nobody = cause.shown("the gateway asks no rate limit service", 'lab.apply("manifests/limit-global.yaml")')
        return LimitFile(observed=observed, causes=[nobody])
    if asked[0] not in domains:
        there = ", ".join(domains) or "none"
        why = f"the gateway asks for domain {asked[0]}, and the file has {there}: what is unknown is not limited"
        return LimitFile(observed=observed, causes=[cause.shown(why)])
    return LimitFile(observed=observed, domain=asked[0], domains=domains, aside=_elsewhere(evidence, obj))


def _elsewhere(evidence: Evidence, obj: Object) -> str:
    own = resources.namespace_of(obj)
    same = [o for o in evidence.everywhere(resources.CONFIG_MAPS) if resources.name_of(o) == CONFIG_MAP]
    strays = [place for o in same if (place := resources.namespace_of(o)) != own]
    return f"; the service reads the ConfigMap in {own}, and not the one in {strays[0]}" if strays else ""


def _shown(limit: Limit) -> str:
    if limit.is_unlimited:
        return "no limit"
    article = "an" if limit.unit.startswith("hour") else "a"
    every = f" every {limit.multiplier} {limit.unit}s" if limit.multiplier > 1 else f" {article} {limit.unit}"
    return f"{limit.requests}{every}"
