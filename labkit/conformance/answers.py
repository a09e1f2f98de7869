"""The recorded answers, read with the tools that lie beside them."""

import csv
import gzip
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from labkit.base import errors
from labkit.kube import manifests
from labkit.kube.resources import Object

Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recorded case."""

    family: str
    name: str
    sentence: str


class Answers:
    """A folder of recorded answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "xds"
        if not (self.folder / "index.tsv").exists():
            raise errors.SetupError(
                f"There are no recorded answers in {folder}.",
                next_step="name the folder that holds xds/index.tsv: ./lab conformance --answers FOLDER",
            )
        self._facts = _module(self.folder, "facts")
        self._corpus = _module(self.folder, "corpus")

    def cases(self) -> list[Case]:
        """Every case, in the order of the index."""
        with (self.folder / "index.tsv").open(newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return [Case(family=row[0], name=row[1], sentence=row[2]) for row in rows if len(row) >= 3]

    def extra(self) -> list[Object]:
        """What the base scene has beside Istio's profile and Bookinfo."""
        return manifests.read(self.folder / "base-extra.yaml")

    def input(self, case: str) -> list[Object]:
        """What a case applies."""
        return manifests.read(self.folder / "cases" / f"{case}.yaml")

    def facts(self, resources: dict[str, dict[str, Any]]) -> Facts:
        """The comparable facts of one proxy's resources."""
        made: Facts = self._facts.facts(resources)
        return made

    def recorded(self, case: str) -> dict[str, Facts]:
        """Facts of each proxy as real Istio had them; ``base`` is the scene without any case."""
        if case == "base":
            return self._base
        changed = json.loads(gzip.decompress((self.folder / "answers" / f"{case}.json.gz").read_bytes()))["proxies"]
        read: Callable[..., dict[str, Any]] = self._corpus.read_case
        found = read(case, self.folder) if changed else {}
        return {**self._base, **{proxy: self.facts(found[proxy]) for proxy in changed}}

    @cached_property
    def _base(self) -> dict[str, Facts]:
        read: Callable[..., dict[str, Any]] = self._corpus.read_case
        return {proxy: self.facts(resources) for proxy, resources in read("base", self.folder).items()}


@cache
def _module(folder: Path, name: str) -> ModuleType:
    path = folder / f"{name}.py"
    # The tools import each other by their bare names.
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise errors.SetupError(f"{path} cannot be loaded.", next_step="check the folder of the answers")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def differences(asked: Any, found: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, asked, found) of everything that is not the same."""
    if isinstance(asked, dict) and isinstance(found, dict):
        for key in sorted(asked.keys() | found.keys()):
            yield from differences(asked.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        for number, (one, other) in enumerate(zip(asked, found, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif asked != found:
        yield path, asked, found
