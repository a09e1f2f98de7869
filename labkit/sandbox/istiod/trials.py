"""A resource that an Envoy refuses because of an EnvoyFilter is offered again without it, so that it harms no other.

Envoy takes a resource whole or not at all, and several EnvoyFilters may patch the same one. So a refused resource is
offered without the filters that the proxy has not taken yet. Once it is taken, they come back one at a time, and a
filter with which the resource is refused again is guilty: it is left out of that resource, or counts as in its last
version that the proxy took. When the resource would be another, it is offered whole again. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object

Name = tuple[str, str]
"""The kind and the name of a resource: ``("listeners", "virtualInbound")``."""

Instead = Mapping[str, Object | None]
"""uid of an EnvoyFilter → the version that counts in its place, None for none."""


@dataclass(frozen=True, kw_only=True)
class Guilt:
    """An EnvoyFilter with which a proxy refuses a resource."""

    object: Object
    resource: Name
    text: str
    """What Envoy says."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What follows from an answer of a proxy."""

    is_offered_again: bool = False
    guilty: tuple[Guilt, ...] = ()
    """EnvoyFilters that are guilty from now on."""

    is_unexplained: bool = False
    """Whether a refusal has no EnvoyFilter behind it."""


@dataclass(kw_only=True)
class Trial:
    """One resource of one proxy that was refused."""

    name: Name
    whole: object
    """The resource with all patches, as it was refused."""

    filters: Mapping[str, Object]
    """The EnvoyFilters that change the resource, by uid."""

    rounds: list[list[str]]
    """Filters to leave out, all at once, until the resource is taken: a few first, all at last."""

    before: Mapping[str, str]
    """The guilty of the resource as it was before, and why; they stay so when it is taken without them."""

    text: str
    """What Envoy said of the last offer that it refused."""

    out: list[str] = field(default_factory=list)
    """Filters that are left out for now."""

    is_apart: bool = True
    """Whether the resource was not taken yet."""

    tried: str = ""
    """The filter that came back last, while nothing is answered."""

    is_closed: bool = False
    """Whether it is refused without any filter as well."""

    guilty: dict[str, str] = field(default_factory=dict)
    """uid → what Envoy says with that filter."""

    has_news: bool = False
    """Whether a filter came in after another one was found guilty: the two may go together."""

    def __post_init__(self) -> None:
        self.out = self.rounds.pop(0)

    @property
    def left_out(self) -> frozenset[str]:
        """The filters that the resource is offered without."""
        return frozenset(self.guilty) | frozenset(self.out)

    def verdicts(self) -> list[Guilt]:
        """The guilty filters."""
        return [Guilt(object=self.filters[uid], resource=self.name, text=text) for uid, text in self.guilty.items()]

    def refused(self, text: str) -> Ruling:
        """The last offer was refused."""
        self.text = text
        if self.tried:
            self.guilty[self.tried] = text
            return self._next(is_offered_again=True)
        if self.is_apart and self.rounds:
            self.out = self.rounds.pop(0)
            return Ruling(is_offered_again=True)
        self.is_closed = True
        return Ruling(is_unexplained=True)

    def taken(self) -> Ruling:
        """The last offer was taken."""
        if self.is_closed or not (self.is_apart or self.tried):
            return Ruling()
        if self.is_apart:
            self.is_apart = False
            self.guilty |= {uid: text for uid, text in self.before.items() if uid in self.out}
            self.out = [uid for uid in self.out if uid not in self.guilty]
            if len(self.out) == 1:
                # Without it the resource is taken, so what was refused was refused because of it.
                self.guilty[self.out.pop()] = self.text
        else:
            self.has_news = self.has_news or bool(self.guilty)
        return self._next()

    def _next(self, *, is_offered_again: bool = False) -> Ruling:
        """Try the next filter; after the last one those that are guilty once more, if others have come in since."""
        if not self.out and self.has_news:
            self.out, self.guilty, self.has_news = list(self.guilty), {}, False
        self.tried = self.out.pop(0) if self.out else ""
        if self.tried:
            return Ruling(is_offered_again=True)
        guilty = tuple(guilt for guilt in self.verdicts() if resources.uid_of(guilt.object) not in self.before)
        return Ruling(is_offered_again=is_offered_again, guilty=guilty)


class Trials:
    """All trials, and what each proxy has taken."""

    def __init__(self) -> None:
        self._trials: dict[str, dict[Name, Trial]] = {}
        self._before: dict[str, dict[Name, Trial]] = {}
        """Trials of resources that would be another now."""

        self._versions: dict[str, Mapping[str, Object]] = {}
        """Proxy → uid → the last version of an EnvoyFilter that it took."""

    def keep(self, proxies: Iterable[str]) -> None:
        """Forget all other proxies."""
        kept = frozenset(proxies)
        for records in (self._trials, self._before, self._versions):
            for gone in records.keys() - kept:
                del records[gone]

    def instead(self, proxy: str, whole: Callable[[Name], object]) -> dict[Name, Instead]:
        """With which versions of which filters each resource on trial is offered.

        ``whole`` gives a resource with all patches: one that is another than the one that was refused is offered so.
        """
        trials = self._trials.get(proxy, {})
        for name, trial in list(trials.items()):
            if whole(name) != trial.whole:
                self._before.setdefault(proxy, {})[name] = trials.pop(name)
        return {name: self._instead(proxy, trial) for name, trial in trials.items()}

    def _instead(self, proxy: str, trial: Trial) -> Instead:
        versions = self._versions.get(proxy, {})
        last = {uid: versions.get(uid) for uid in trial.left_out}
        return {uid: None if _says_the_same(obj, trial.filters[uid]) else obj for uid, obj in last.items()}

    def refused(
        self, proxy: str, name: Name, text: str, whole: object, filters: Callable[[], Sequence[Object]]
    ) -> Ruling:
        """A proxy refused a resource; ``filters`` gives the EnvoyFilters that change it, as they apply."""
        trial = self._trials.get(proxy, {}).get(name)
        if trial is not None:
            return trial.refused(text)
        by_uid = {resources.uid_of(obj): obj for obj in filters()}
        before = self._before.get(proxy, {}).pop(name, None)
        guilty = before.guilty if before is not None else {}
        old = before.filters if before is not None else {}
        same = {uid: guilty[uid] for uid, obj in by_uid.items() if uid in guilty and _says_the_same(old.get(uid), obj)}
        versions = self._versions.get(proxy, {})
        new = [uid for uid, obj in by_uid.items() if uid not in same and not _says_the_same(versions.get(uid), obj)]
        rounds: list[list[str]] = []
        for left_out in (list(same), [*same, *new], list(by_uid)):
            if left_out and (not rounds or len(left_out) > len(rounds[-1])):
                rounds.append(left_out)
        if not rounds:
            return Ruling(is_unexplained=True)
        trial = Trial(name=name, whole=whole, filters=by_uid, rounds=rounds, before=same, text=text)
        self._trials.setdefault(proxy, {})[name] = trial
        return Ruling(is_offered_again=True)

    def taken(self, proxy: str, filters: Iterable[Object]) -> Ruling:
        """A proxy has taken all that it was offered, made with these EnvoyFilters."""
        trials = self._trials.get(proxy, {}).values()
        rulings = [trial.taken() for trial in trials]
        is_again = any(ruling.is_offered_again for ruling in rulings)
        if not is_again:
            self._before.pop(proxy, None)
            out = frozenset(uid for trial in trials for uid in trial.left_out)
            earlier = self._versions.get(proxy, {})
            versions = {
                uid: earlier.get(uid) if uid in out else obj
                for uid, obj in ((resources.uid_of(obj), obj) for obj in filters)
            }
            self._versions[proxy] = {uid: obj for uid, obj in versions.items() if obj is not None}
        return Ruling(is_offered_again=is_again, guilty=tuple(g for ruling in rulings for g in ruling.guilty))

    def guilty(self, proxy: str) -> list[Guilt]:
        """What a proxy does without."""
        return [guilt for trial in self._trials.get(proxy, {}).values() for guilt in trial.verdicts()]

    def standing(self) -> dict[str, list[Object]]:
        """Each refusal that stands, with the EnvoyFilters that it is put down to."""
        by_text: dict[str, dict[str, Object]] = {}
        for proxy in self._trials:
            for guilt in self.guilty(proxy):
                by_text.setdefault(guilt.text, {})[resources.uid_of(guilt.object)] = guilt.object
        return {text: list(objects.values()) for text, objects in by_text.items()}


def _says_the_same(one: Object | None, other: Object) -> bool:
    """Whether two versions of an object differ at most in their status."""
    return one is other or (one is not None and one.get("spec") == other.get("spec"))
