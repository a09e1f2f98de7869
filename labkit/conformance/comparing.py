"""One case after the other: recorded facts that a case changes, against ours."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from labkit.conformance import export, scene
from labkit.conformance.answers import Answers, Case, Facts, differences
from labkit.kube.resources import Object
from labkit.mesh import compiler


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one case went."""

    case: Case
    differences: tuple[str, ...]
    """One line each; empty when all facts are the same."""

    @property
    def is_same(self) -> bool:
        """Whether every fact is the same."""
        return not self.differences


class Comparison:
    """The base scene, translated once, and cases on top of it."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._base = scene.base(answers.extra())
        self._recorded = answers.recorded("base")
        self._dumps: dict[str, export.Dump] = {}
        self._ours: dict[str, Facts] = {}
        self._ours = self._facts([], keep=True)

    def base(self) -> Outcome:
        """The scene without any case, all facts of it."""
        case = Case(family="base", name="base", sentence="the scene without any case")
        lines = [
            line
            for proxy, asked in sorted(self._recorded.items())
            for line in _lines(proxy, asked, self._ours.get(proxy, {}), set(asked) | set(self._ours.get(proxy, {})))
        ]
        return Outcome(case=case, differences=tuple(lines))

    def outcome(self, case: Case) -> Outcome:
        """The facts that the case changes, in the recording or with us."""
        ours, recorded = self._facts(self._answers.input(case.name)), self._answers.recorded(case.name)
        lines: list[str] = []
        for proxy in sorted(recorded):
            asked, before = recorded[proxy], self._recorded.get(proxy, {})
            found, mine = ours.get(proxy, {}), self._ours.get(proxy, {})
            lines += _lines(proxy, asked, found, _changed(before, asked) | _changed(mine, found))
        return Outcome(case=case, differences=tuple(lines))

    def _facts(self, applied: list[Object], *, keep: bool = False) -> dict[str, Facts]:
        snapshot = scene.snapshot([*self._base, *map(scene.with_namespace, applied)])
        index = compiler.index(snapshot)
        dumps = {name: export.dump(index, proxy) for name, proxy in scene.proxies(snapshot).items()}
        if keep:
            self._dumps = dumps
        return {name: self._facts_of(name, dump) for name, dump in dumps.items()}

    def _facts_of(self, name: str, dump: export.Dump) -> Facts:
        # To compare is cheaper than to take apart, and most proxies are told what they were told before.
        if name in self._ours and self._dumps.get(name) == dump:
            return self._ours[name]
        # The recordings have their fields in order of name, which shows in some facts.
        return self._answers.facts(orjson.loads(orjson.dumps(dump, option=orjson.OPT_SORT_KEYS)))


def _changed(before: Facts, after: Facts) -> set[str]:
    return {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}


def _lines(proxy: str, asked: Facts, found: Facts, keys: set[str]) -> Iterator[str]:
    for key in sorted(keys):
        for path, one, other in differences(asked.get(key), found.get(key)):
            yield f"{proxy}: {key}{path}\n    asked {json.dumps(one)}\n    found {json.dumps(other)}"
