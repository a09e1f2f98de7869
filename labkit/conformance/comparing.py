"""One case after the other: the facts that a case changes, recorded and ours."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.conformance import ambient, differences, envoy, export, scene
from labkit.conformance.answers import Answers, Case
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


Dumps = Callable[[list[Object]], dict[str, envoy.Resources]]
"""What every proxy of the base scene has when a case's objects are applied to it."""


def compiled(answers: Answers) -> Dumps:
    """What the compiler makes of the scene, without a cluster."""
    is_ambient = answers.is_ambient
    objects = (ambient if is_ambient else scene).base(answers.extra())

    def dumps(applied: list[Object]) -> dict[str, envoy.Resources]:
        snapshot = (ambient if is_ambient else scene).snapshot([*objects, *map(scene.with_namespace, applied)])
        index = compiler.index(snapshot)
        every = {name: export.dump(index, proxy) for name, proxy in scene.proxies(snapshot).items()}
        return {**every, ambient.ZTUNNEL: ambient.tables_of(snapshot)} if is_ambient else every

    return dumps


class Comparison:
    """The base scene, and cases on top of it."""

    def __init__(self, answers: Answers, dumps: Dumps | None = None) -> None:
        self._answers = answers
        self._dumps_with = dumps or compiled(answers)
        self._recorded = answers.recorded("base")
        self._dumps = self._dumps_with([])
        self._ours = {proxy: answers.facts(dump) for proxy, dump in self._dumps.items()}

    def base(self) -> Outcome:
        """The scene without any case: all its facts."""
        lines = [
            line
            for proxy, recorded in sorted(self._recorded.items())
            for ours in [self._ours.get(proxy, {})]
            for line in differences.lines(proxy, recorded, ours, recorded.keys() | ours.keys())
        ]
        case = Case(family="base", name="base", sentence="the scene without any case")
        return Outcome(case=case, differences=tuple(lines))

    def outcome(self, case: Case) -> Outcome:
        """The facts that the case changes, in the recording or with us."""
        facts, lines = self._facts_with(self._answers.input(case.name)), list[str]()
        for proxy, recorded in sorted(self._answers.recorded(case.name).items()):
            if proxy == ambient.ZTUNNEL and proxy not in facts:
                continue  # Of a running mesh only Envoys are asked.
            ours = facts.get(proxy, {})
            there = differences.changed(self._recorded.get(proxy, {}), recorded)
            here = differences.changed(self._ours.get(proxy, {}), ours)
            lines += differences.lines(proxy, recorded, ours, there | here)
        return Outcome(case=case, differences=tuple(lines))

    def _facts_with(self, applied: list[Object]) -> dict[str, envoy.Facts]:
        # To compare is cheaper than to take apart, and most proxies are sent what they were sent before.
        return {
            proxy: self._ours[proxy] if self._dumps.get(proxy) == dump else self._answers.facts(dump)
            for proxy, dump in self._dumps_with(applied).items()
        }
