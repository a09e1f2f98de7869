"""Load balancing of a DestinationRule: consistent hashes and localities."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.mesh.validation.findings import Finding, each, error, errors, warning

Part = Mapping[str, Any]

_LARGEST_TABLE = 5000011
_RING = "consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead"
_TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


def findings(settings: Part | None, *, has_outliers: bool) -> Iterator[Finding]:
    """What Istio says of ``loadBalancer``; ``has_outliers``: the policy ejects outliers too."""
    if settings is None:
        return
    yield from _hash(settings.get("consistentHash") or {})
    yield from _localities(settings.get("localityLbSetting") or {}, has_outliers=has_outliers)


def _hash(hashed: Part) -> Iterator[Finding]:
    cookie, maglev = hashed.get("httpCookie"), hashed.get("maglev")
    if cookie is not None and not cookie.get("name"):
        yield error("name required for HttpCookie")
    if int(hashed.get("minimumRingSize") or 0):
        yield warning(_RING)
        if maglev is not None or hashed.get("ringHash") is not None:
            yield error("only one of MinimumRingSize or Maglev/Ringhash can be specified")
    if maglev is not None:
        size = int(maglev.get("tableSize") or 0)
        if not size:
            yield error("tableSize must be set for maglev")
        if size >= _LARGEST_TABLE:
            yield error(f"tableSize must be less than {_LARGEST_TABLE} for maglev")
        if not _is_prime(size):
            yield error("tableSize must be a prime number for maglev")


def _is_prime(number: int) -> bool:
    # Envoy's own test counts 1 as a prime.
    return number > 0 and all(number % k for k in range(2, int(number**0.5) + 1))


def _localities(setting: Part, *, has_outliers: bool) -> Iterator[Finding]:
    distribute, failover = each(setting.get("distribute")), each(setting.get("failover"))
    priority = setting.get("failoverPriority") or []
    if distribute and failover:
        yield error("can not simultaneously specify 'distribute' and 'failover'")
        return
    if failover and (label := next((label for label in priority if label in _TOPOLOGY), "")):
        yield error(f"can not simultaneously set 'failover' and topology label '{label}' in 'failover_priority'")
        return
    for entry in distribute:
        weights = entry.get("to") or {}
        if any(not 1 <= weight <= 100 for weight in weights.values()):
            yield error("locality weight must be in range [1, 100]")
            return
        if (total := sum(weights.values())) != 100:
            yield error(f"total locality weight {total} != 100")
            return
        yield from errors(_overlap(sorted(weights)))
    yield from errors(_overlap([entry.get("from") or "" for entry in distribute]))
    if (failover or priority) and not has_outliers:
        yield warning("outlier detection policy must be provided for failover")
    for entry in failover:
        yield from _failover(entry.get("from") or "", entry.get("to") or "")


def _failover(origin: str, target: str) -> Iterator[Finding]:
    if origin == target:
        yield error("locality lb failover settings must specify different regions")
    if "/" in origin or "/" in target:
        yield error("locality lb failover only specify region")
    if "*" in origin or "*" in target:
        yield error("locality lb failover region should not contain '*' wildcard")


def _overlap(localities: Sequence[str]) -> str:
    """The first locality ``region/zone/subzone`` that is badly formed, or that one before it holds already."""
    seen: list[list[str]] = []
    for locality in localities:
        if "*" in locality and (locality.count("*") > 1 or not locality.endswith("*")):
            return f"locality {locality} wildcard '*' number can not exceed 1 and must be in the end"
        parts = locality.split("/", 2)
        if ["*"] in seen or any(_holds(other, parts) for other in seen):
            return f"locality {locality} overlap with previous specified ones"
        if "" in parts:
            return f"locality {locality} must not contain empty region/zone/subzone info"
        seen.append(parts)
    return ""


def _holds(one: list[str], other: list[str]) -> bool:
    """A region holds its zones; a region that comes after one of its zones overlaps too."""
    if len(one) > 1 and one[-1] == "*":
        one = one[:-1]
    size = min(len(one), len(other))
    return one[:size] == other[:size] and (len(one) <= len(other) or len(other) == 1)
