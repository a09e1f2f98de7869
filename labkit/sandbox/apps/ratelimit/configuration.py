"""The descriptor file: read with the service's own refusals, and asked which limit a request's descriptor has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

DAY = 86400
SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": DAY,
    "week": 7 * DAY,
    "month": 30 * DAY,
    "year": 365 * DAY,
}
"""A window of each unit; a month is 30 days."""

KEYS = frozenset(
    (
        "domain", "key", "value", "descriptors", "rate_limit", "unit", "unit_multiplier", "requests_per_unit",
        "unlimited", "shadow_mode", "detailed_metric", "value_to_metric", "share_threshold", "name", "replaces",
    )
)  # fmt: skip
NOT_CARRIED_OUT = {"quota_mode": "quota_mode, by which Envoy's routing learns of a quota, is not carried out here"}
Entries = Sequence[tuple[str, str]]
"""A request's descriptor: ``[("PATH", "/productpage")]``."""


class ConfigurationError(ValueError):
    """What is wrong with a file, in the service's words; the file's name comes first."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One ``rate_limit``."""

    key: str
    """``domain.PATH_/productpage``: the name of its statistics."""

    rolled_up: str = ""
    """The name without the values of a request; where those are in the statistics, there may be too many."""

    counted: "Entries" = ()
    """The entries that name its counter, where those are not the request's own."""

    unit: str = ""
    multiplier: int = 1
    requests: int = 0
    is_unlimited: bool = False
    is_shadow: bool = False
    is_detailed: bool = False
    """Whether every value of a request is in the name of its statistics (``detailed_metric``)."""

    name: str = ""
    replaces: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        """The length of a window."""
        return SECONDS[self.unit] * self.multiplier

    def __str__(self) -> str:
        if self.is_unlimited:
            return f"{self.key}: unlimited"
        every = f", unit_multiplier={self.multiplier}" if self.multiplier != 1 else ""
        shadow = str(self.is_shadow).lower()
        return f"{self.key}: unit={self.unit.upper()} requests_per_unit={self.requests}{every}, shadow_mode: {shadow}"


@dataclass(kw_only=True)
class Node:
    """One level of the tree of descriptors."""

    value: str = ""
    """As the file has it: empty for any value, ``/api/*`` for all that begin so."""

    is_measured: bool = False
    """Whether the value of a request is in the name of the statistics (``value_to_metric``)."""

    is_shared: bool = False
    """Whether all values that a wildcard fits have one counter (``share_threshold``)."""

    limit: Limit | None = None
    children: "dict[str, Node]" = field(default_factory=dict)
    """By ``key_value``, or by ``key`` for any value."""

    wildcards: list[str] = field(default_factory=list)
    """Keys of children whose value ends with ``*``, in file order."""

    def child(self, key: str, value: str) -> "Node | None":
        """The child for an entry: the exact value, else the first wildcard that fits, else the key alone."""
        exact = f"{key}_{value}"
        if exact in self.children:
            return self.children[exact]
        wildcard = next((w for w in self.wildcards if exact.startswith(w.removesuffix("*"))), key)
        return self.children.get(wildcard)


Domains = Mapping[str, Node]


def limit_of(domains: Domains, domain: str, entries: Entries) -> Limit | None:
    """The limit of a descriptor: of the level that is as deep as the descriptor; None for none."""
    node, path = domains.get(domain), []
    for key, value in entries:
        node = node.child(key, value) if node is not None else None
        if node is None:
            return None
        path.append(node)
    limit = node.limit if node is not None else None
    if limit is None or not (limit.is_detailed or any(n.is_measured or n.is_shared for n in path)):
        return limit
    return _of_request(limit, domain, path, entries)


def _of_request(limit: Limit, domain: str, path: Sequence[Node], entries: Entries) -> Limit:
    """The limit with what a request's values change: the name of its statistics, and of its counter."""
    words, counted = [domain], []
    for node, (key, value) in zip(path, entries, strict=True):
        is_in_name = (limit.is_detailed or node.is_measured) and not node.is_shared
        shown = value if is_in_name else node.value
        words.append(f"{key}_{shown}" if shown else key)
        counted.append((key, node.value if node.is_shared else value))
    return replace(limit, key=shortened(".".join(words)), rolled_up=limit.key, counted=tuple(counted))


def shortened(name: str) -> str:
    """What a request says must not make names without end."""
    return name[:200]


def limits(domains: Domains) -> Iterable[Limit]:
    """Every limit."""

    def below(node: Node) -> Iterable[Limit]:
        if node.limit is not None:
            yield node.limit
        for child in node.children.values():
            yield from below(child)

    return [limit for node in domains.values() for limit in below(node)]


def read(files: Mapping[str, str]) -> Domains:
    """Domain → its tree, from files by name; ConfigurationError for the first thing that is wrong."""
    domains: dict[str, Node] = {}
    for name, text in sorted(files.items()):
        document = _document(name, text)
        domain = document.get("domain") or ""
        if not domain:
            raise ConfigurationError(f"{name}: config file cannot have empty domain")
        if domain in domains:
            raise ConfigurationError(f"{name}: duplicate domain '{domain}' in config file")
        domains[domain] = Node()
        _add(name, domains[domain], f"{domain}.", document.get("descriptors") or [])
    return domains


def _document(name: str, text: str) -> Mapping[str, Any]:
    try:
        # Scalars stay text, as Go's reader makes them for text fields: 007 is a value, not a number.
        document = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as e:
        raise ConfigurationError(f"{name}: error loading config file: {e}") from e
    if not isinstance(document, dict):
        raise ConfigurationError(f"{name}: error loading config file: the file is no map")
    _check(name, document)
    return document


def _check(name: str, value: Mapping[Any, Any]) -> None:
    for key, item in value.items():
        if key in NOT_CARRIED_OUT:
            raise ConfigurationError(f"{name}: {NOT_CARRIED_OUT[key]}")
        if key not in KEYS:
            raise ConfigurationError(f"{name}: config error, unknown key '{key}'")
        for inner in item if isinstance(item, list) else [item]:
            if isinstance(inner, dict):
                _check(name, inner)
            elif isinstance(item, list):
                raise ConfigurationError(
                    f"{name}: config error, yaml file contains list of type other than map: {inner}"
                )


def _add(name: str, into: Node, parent: str, descriptors: Any) -> None:
    for entry in descriptors if isinstance(descriptors, list) else ():
        key, value = str(entry.get("key") or ""), str(entry.get("value") or "")
        if not key:
            raise ConfigurationError(f"{name}: descriptor has empty key")
        final = f"{key}_{value}" if value else key
        if final in into.children:
            raise ConfigurationError(f"{name}: duplicate descriptor composite key '{parent}{final}'")
        is_shared = _flag(name, entry.get("share_threshold"))
        if is_shared and not value.endswith("*"):
            raise ConfigurationError(f"{name}: share_threshold needs a value that ends with '*': '{parent}{final}'")
        node = Node(
            value=value,
            is_measured=_flag(name, entry.get("value_to_metric")),
            is_shared=is_shared,
            limit=_limit(name, f"{parent}{final}", entry),
        )
        into.children[final] = node
        if value.endswith("*"):
            into.wildcards.append(final)
        _add(name, node, f"{parent}{final}.", entry.get("descriptors") or [])


def _limit(name: str, key: str, entry: Mapping[str, Any]) -> Limit | None:
    written = entry.get("rate_limit")
    if not isinstance(written, dict):
        return None
    unit, is_unlimited = str(written.get("unit") or "").lower(), _flag(name, written.get("unlimited"))
    if is_unlimited and unit in SECONDS:
        raise ConfigurationError(f"{name}: should not specify rate limit unit when unlimited")
    if not is_unlimited and unit not in SECONDS:
        raise ConfigurationError(f"{name}: invalid rate limit unit '{unit}'")
    own, replaces = str(written.get("name") or ""), _names(name, written.get("replaces"))
    if "" in replaces:
        raise ConfigurationError(f"{name}: should not have an empty replaces entry")
    if own and own in replaces:
        raise ConfigurationError(f"{name}: replaces should not contain name of same descriptor: {own}")
    return Limit(
        key=key,
        unit=unit,
        multiplier=max(1, _number(name, written.get("unit_multiplier") or "1")),
        requests=_number(name, written.get("requests_per_unit") or "0"),
        is_unlimited=is_unlimited,
        is_shadow=_flag(name, entry.get("shadow_mode")),
        is_detailed=_flag(name, entry.get("detailed_metric")),
        name=own,
        replaces=replaces,
    )


def _names(name: str, value: Any) -> tuple[str, ...]:
    return tuple(str(item.get("name") or "") for item in value or () if isinstance(item, dict))


def _number(name: str, value: Any) -> int:
    if not str(value).isdecimal() or int(value) >= 2**32:
        raise ConfigurationError(f"{name}: error loading config file: cannot unmarshal {value!r} into uint32")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if value not in (None, "", "true", "false", "True", "False", "yes", "no", "on", "off"):
        raise ConfigurationError(f"{name}: error loading config file: cannot unmarshal {value!r} into bool")
    return value in ("true", "True", "yes", "on")
