"""What is served: the built-in resources and those of CustomResourceDefinitions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import strategies
from labkit.sandbox.apiserver.objects import schemas, structural

SHARED = {"events.k8s.io/events": "/events"}
"""Resources that are another face of a table; what is stored is in that table's version."""

STORED_IN = {"/events": "v1", "autoscaling/horizontalpodautoscalers": "autoscaling/v2"}
"""The version stored, where a built-in table is served in several."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """One resource in one version."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    list_kind: str = ""
    crd: Object | None = None
    """The definition of a custom resource."""

    stored: str = ""
    """The apiVersion in which objects are stored; empty when it is this one."""

    deprecation: str = ""
    """The warning that comes with every answer, for a version on its way out."""

    strategy: strategies.Strategy = field(default_factory=strategies.Strategy)

    @cached_property
    def api_version(self) -> str:
        """``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def key(self) -> str:
        """The table: ``apps/deployments``, ``/pods``."""
        own = f"{self.group}/{self.plural}"
        return SHARED.get(own, own)

    @cached_property
    def schema(self) -> schemas.Schema:
        """What its objects look like."""
        if self.crd is not None:
            return schemas.from_crd(self.crd, self.version)
        builtin = schemas.builtin(self.api_version, self.kind)
        if builtin is None:
            raise LookupError(f"no schema of {self.api_version} {self.kind}")
        return builtin

    @cached_property
    def fills_in(self) -> bool:
        """Whether its definition has defaults, which reading fills in too."""
        return self.crd is not None and structural.has_defaults(structural.schema_of(self.schema))

    @cached_property
    def head(self) -> bytes:
        """How every serialised object of it begins; items of typed lists leave that out."""
        if self.crd is not None:
            return b""
        return f'{{"kind":"{self.kind}","apiVersion":"{self.api_version}",'.encode()

    def __repr__(self) -> str:
        return f"Served({self.plural}.{self.version}.{self.group or 'core'})"


class Registry:
    """Everything served, by group, version and plural."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str], dict[str, Served]] = {}
        self._custom: dict[str, list[Served]] = {}
        self._stored: tuple[int, list[Served]] = (-1, [])
        self.generation = 0
        """Counts changes, so that discovery documents are made once a change."""
        for kind in schemas.served():
            self._add(_builtin(kind))

    def __repr__(self) -> str:
        return f"Registry({len(self._served)} group versions)"

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """One resource."""
        return self._served.get((group, version), {}).get(plural)

    def has(self, group: str, version: str) -> bool:
        """Whether anything is served in that group version."""
        return bool(self._served.get((group, version)))

    def of_version(self, group: str, version: str) -> list[Served]:
        """Resources of one group version, by name."""
        return [served for _, served in sorted(self._served.get((group, version), {}).items())]

    def versions(self) -> Mapping[str, list[str]]:
        """Groups with their versions, the preferred one first."""
        groups: dict[str, list[str]] = {}
        for (group, version), held in self._served.items():
            if held:
                groups.setdefault(group, []).append(version)
        return {group: sorted(versions, key=priority) for group, versions in groups.items()}

    def of_key(self, key: str) -> Served | None:
        """The version in which a table is stored, or else the preferred one."""
        candidates = [s for s in self if s.key == key]
        exact = [s for s in candidates if not s.stored or s.stored == s.api_version]
        return min(exact or candidates, key=lambda s: priority(s.version), default=None)

    def stored(self) -> list[Served]:
        """Every table, in the version that it keeps; made once a change."""
        if self._stored[0] != self.generation:
            homes = (self.of_key(key) for key in dict.fromkeys(served.key for served in self))
            self._stored = self.generation, [served for served in homes if served is not None]
        return self._stored[1]

    def __iter__(self) -> Iterator[Served]:
        for held in self._served.values():
            yield from held.values()

    def is_builtin(self, group: str) -> bool:
        """Whether a group is the server's own."""
        return any(s.group == group and s.crd is None for s in self)

    def set_custom(self, name: str, served: list[Served]) -> None:
        """Serve a definition's versions instead of those it had before; an empty list serves none."""
        for old in self._custom.pop(name, []):
            self._served[old.group, old.version].pop(old.plural, None)
            self.generation += 1
        if served:
            self._custom[name] = served
        for one in served:
            self._add(one)

    def _add(self, served: Served) -> None:
        self._served.setdefault((served.group, served.version), {})[served.plural] = served
        self.generation += 1


def priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: stable before beta before alpha, newer before older, then others."""
    name = version.removeprefix("v")
    for rank, mark in enumerate(("", "beta", "alpha")):
        major, _, minor = name.partition(mark) if mark else (name, "", "0")
        if major.isdigit() and minor.isdigit():
            return rank, -int(major), -int(minor), version
    return 3, 0, 0, version


def _builtin(kind: schemas.Kind) -> Served:
    own = f"{kind.group}/{kind.plural}"
    key = SHARED.get(own, own)
    strategy = strategies.of(key)
    verbs = kind.verbs
    return Served(
        group=kind.group,
        version=kind.version,
        plural=kind.plural,
        singular=kind.singular,
        kind=kind.kind,
        namespaced=kind.namespaced,
        verbs=verbs,
        subresources=kind.subresources,
        short_names=kind.short_names,
        categories=kind.categories,
        list_kind=f"{kind.kind}List",
        stored=STORED_IN.get(key, ""),
        strategy=strategy,
    )
