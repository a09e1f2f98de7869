"""Which resources are served: the built-in ones, and those that CustomResourceDefinitions add."""

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import schemas


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """One resource in one version."""

    schema: schemas.Schema
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    storage: str = ""
    """Where its objects are kept, for all versions: ``deployments.apps``."""

    @property
    def path(self) -> tuple[str, str, str]:
        """Group, version, plural."""
        return self.schema.group, self.schema.version, self.schema.plural

    @property
    def qualified(self) -> str:
        """``deployments.apps``, as messages name it."""
        return f"{self.schema.plural}.{self.schema.group}" if self.schema.group else self.schema.plural


class Registry:
    """Finds resources by path; CRDs come and go."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Served] = {}
        self._custom: dict[str, list[Served]] = {}
        self.generation = 0
        """Grows with every change; discovery documents are cached by it."""
        for kind in schemas.served():
            schema = schemas.builtin(kind.api_version, kind.kind)
            if schema is None:
                continue
            # Events are kept once, whichever of their two groups wrote them.
            group = "" if kind.plural == "events" else kind.group
            served = Served(
                schema=schema,
                singular=kind.singular,
                short_names=kind.short_names,
                categories=kind.categories,
                verbs=kind.verbs,
                storage=f"{kind.plural}.{group}" if group else kind.plural,
            )
            self._found[served.path] = served

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """The resource at a path."""
        return self._found.get((group, version, plural))

    def all(self) -> Iterator[Served]:
        """Every resource, built-in ones first."""
        return iter(self._found.values())

    def has_group_version(self, group: str, version: str) -> bool:
        """Whether anything is served there."""
        return any((g, v) == (group, version) for g, v, _ in self._found)

    def add_crd(self, crd: Object) -> None:
        """Serve a definition's versions from now on, instead of those it had before."""
        self.remove_crd(crd["metadata"]["name"])
        spec = crd["spec"]
        names = spec["names"]
        added = []
        for version in spec["versions"]:
            if version.get("served"):
                served = Served(
                    schema=schemas.from_crd(crd, version["name"]),
                    singular=names.get("singular") or names["kind"].lower(),
                    short_names=tuple(names.get("shortNames", ())),
                    categories=tuple(names.get("categories", ())),
                    verbs=("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"),
                    storage=f"{spec['names']['plural']}.{spec['group']}",
                )
                self._found[served.path] = served
                added.append(served)
        self._custom[crd["metadata"]["name"]] = added
        self.generation += 1

    def remove_crd(self, name: str) -> None:
        """Stop serving a definition's versions."""
        for served in self._custom.pop(name, []):
            self._found.pop(served.path, None)
        self.generation += 1
