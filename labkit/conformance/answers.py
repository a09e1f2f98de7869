"""Recorded cases: what each applies, and what real Istio then sent to every proxy."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.base import errors
from labkit.conformance import envoy
from labkit.conformance.recordings import Recording
from labkit.kube import manifests, resources
from labkit.kube.resources import Object

PARTS = ("xds", "ambient")
"""Folders of a recording that hold cases, each on a base scene of its own."""

INDEX = "index.tsv"
AMBIENT = "ambient"
"""The family whose base scene has ambient switched on."""

NOT_KUBERNETES = ("MeshConfig", "LoadBalancerAddress")
"""Kinds in cases that are no objects of the API."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recorded case."""

    family: str
    name: str
    sentence: str


class Answers:
    """The cases of a recording."""

    def __init__(self, place: Path, *, part: str = PARTS[0], with_capture: bool = False) -> None:
        self.recording, self._part = Recording(place), part
        self._with_capture = with_capture
        self.cases = tuple(self._cases())

    def _cases(self) -> Iterator[Case]:
        for number, line in enumerate(self.recording.text(self.index).splitlines(), 1):
            columns = line.split("\t")
            if len(columns) < 3:
                raise self.recording.refusal(f"line {number} of {self.index} is not family, case and sentence")
            yield Case(family=columns[0], name=columns[1], sentence=columns[2])

    @property
    def is_ambient(self) -> bool:
        """Whether they were recorded with ambient switched on."""
        return all(case.family == AMBIENT for case in self.cases)

    def chosen(self, *, families: list[str] | None = None, names: list[str] | None = None) -> list[Case]:
        """The cases of these families and names; SetupError names those there are where one is unknown."""
        return [case for _, cases in chosen([self], families=families, names=names) for case in cases]

    @property
    def index(self) -> str:
        """The file that lists the cases."""
        return f"{self._part}/{INDEX}"

    def extra(self) -> list[Object]:
        """What the base scene has beside Istio's profile and Bookinfo."""
        return self._manifest(f"{PARTS[0]}/base-extra.yaml")

    def input(self, case: str) -> list[Object]:
        """What a case applies; what the API server or a webhook refused there is not in the scene."""
        applied = self.answer(case).get("applied")
        objects = self._manifest(f"{self._part}/cases/{case}.yaml")
        return objects if applied is None else [o for o in objects if _is_applied(o, applied)]

    def _manifest(self, path: str) -> list[Object]:
        return manifests.parse(self.recording.text(path), source=f"{self.recording.place}: {path}")

    def answer(self, case: str) -> dict[str, Any]:
        """All that was recorded of a case: what kubectl printed, statuses, objects that istiod created, resources."""
        answer: dict[str, Any] = self.recording.json(f"{self._part}/answers/{case}.json")
        return answer

    def facts(self, resources: envoy.Resources) -> envoy.Facts:
        """The comparable facts of one proxy's resources."""
        return envoy.facts(resources, with_capture=self._with_capture)

    def recorded(self, case: str) -> dict[str, envoy.Facts]:
        """Facts of each proxy as real Istio had them; ``base`` is the scene without any case."""
        if case == "base":
            return self._base_facts
        answer = self.answer(case)
        with self._recorded_form(case):
            changed = {
                proxy: self.facts(_changed(self.base.get(proxy, {}), kinds, answer["bodies"]))
                for proxy, kinds in answer["proxies"].items()
            }
        return {**self._base_facts, **changed}

    @cached_property
    def base(self) -> dict[str, envoy.Resources]:
        """The resources of each proxy in the scene without any case."""
        base = self.recording.json(f"{self._part}/base.json")
        with self._recorded_form("base"):
            return {proxy: _changed({}, kinds, base["bodies"]) for proxy, kinds in base["proxies"].items()}

    @cached_property
    def _base_facts(self) -> dict[str, envoy.Facts]:
        base = self.base
        with self._recorded_form("base"):
            return {proxy: self.facts(resources) for proxy, resources in base.items()}

    @contextlib.contextmanager
    def _recorded_form(self, case: str) -> Iterator[None]:
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
            raise self.recording.refusal(f"the answer {case} has another form ({type(e).__name__}: {e})") from e


def parts(place: Path, *, with_capture: bool = False) -> list[Answers]:
    """The parts of a recording that there are, each with a base scene of its own."""
    there = [part for part in PARTS if Recording(place).paths(f"{part}/{INDEX}")] or PARTS[:1]
    return [Answers(place, part=part, with_capture=with_capture) for part in there]


def chosen(
    recorded: Sequence[Answers], *, families: list[str] | None = None, names: list[str] | None = None
) -> list[tuple[Answers, list[Case]]]:
    """The cases of these families and names, by part; SetupError names those there are where one is unknown."""
    every = [case for part in recorded for case in part.cases]
    for what, asked, there in (
        ("family", families, {case.family for case in every}),
        ("case", names, {case.name for case in every}),
    ):
        if unknown := sorted(set(asked or ()) - there):
            few = sorted(there) if len(there) <= 20 else [f"one of {len(there)} in {recorded[0].index}"]
            raise errors.SetupError(
                f"{recorded[0].recording.place} has no {what} {', '.join(unknown)}.",
                next_step=f"choose {', '.join(few)}",
            )
    by_part = [
        (part, [c for c in part.cases if (not families or c.family in families) and (not names or c.name in names)])
        for part in recorded
    ]
    return [(part, cases) for part, cases in by_part if cases]


def _is_applied(obj: Object, lines: list[str]) -> bool:
    """Whether kubectl said so: ``virtualservice.networking.istio.io/reviews created``."""
    group = obj["apiVersion"].rpartition("/")[0]
    kind = f"{obj['kind'].lower()}.{group}" if group else obj["kind"].lower()
    name = f"{kind}/{resources.name_of(obj)} "
    return obj["kind"] in NOT_KUBERNETES or any(line.startswith(name) for line in lines)


def _changed(base: envoy.Resources, kinds: dict[str, dict[str, str | None]], bodies: dict[str, Any]) -> envoy.Resources:
    """Resources with changes: name → key into ``bodies``, or None where the resource went away."""
    changed = dict(base)
    for kind, keys in kinds.items():
        gone = {name for name, key in keys.items() if key is None}
        kept = {name: body for name, body in base.get(kind, {}).items() if name not in gone}
        changed[kind] = kept | {name: bodies[key] for name, key in keys.items() if key is not None}
    return changed
