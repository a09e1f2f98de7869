"""The way that a request will take through one Envoy, and whose YAML made it so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labkit.mesh.explain.arrivals import Arrival
from labkit.mesh.explain.explanations import Destination, Explanation
from labkit.views import markup


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the field that decided is written."""

    object: str
    field: str
    """``spec.http[0]``."""

    line: int
    """In the object's YAML, as ``lab.xray`` shows it, from 1."""

    def __str__(self) -> str:
        return f"{self.object}, {self.field} in line {self.line}"


@dataclass(frozen=True, kw_only=True)
class Way:
    """An explanation, drawn step by step."""

    request: str
    """``GET http://reviews:9080/reviews/0``."""

    proxy: str
    """The pod whose Envoy was asked."""

    explanation: Explanation
    arrivals: Sequence[Arrival] = ()
    """What the gateway and the pods at the other end decide."""

    limits: Sequence[tuple[str, Written]] = ()
    """Rate limits of this proxy, and where each is written."""

    written: Mapping[str, Written] = field(default_factory=dict)
    """Object → the field that decided."""

    def __repr__(self) -> str:
        return markup.columns(("step", "what", "because of"), self.steps())

    def _repr_html_(self) -> str:
        head = f"<b>{markup.text(self.request)}</b> through the Envoy of {markup.text(self.proxy)}"
        return f'<div style="{markup.BOX}">{head}{markup.table(("step", "what", "because of"), self.steps())}</div>'

    def steps(self) -> list[tuple[str, str, str]]:
        """Step, what it is in Envoy, and the object behind it."""
        return list(self._steps())

    def _steps(self) -> Iterator[tuple[str, str, str]]:
        way = self.explanation
        if not way.listener:
            yield "listener", "this Envoy does not listen on the port: the connection is refused", ""
            return
        yield "listener", way.listener, ""
        if way.table and not way.virtual_host:
            yield "virtual host", f"none of {way.table} has this host: 404", ""
            return
        if way.table:
            yield "virtual host", f"{way.virtual_host} in {way.table}", ""
        for passed in way.passed:
            yield "passed", passed, ""
        yield from (("limit", what, str(place)) for what, place in self.limits)
        yield from self._route()
        for destination in way.destinations:
            yield from self._destination(destination)
        for arrival in self.arrivals:
            yield arrival.step, f"at {arrival.workload}: {arrival.what}", self._because(arrival.object)

    def _route(self) -> Iterator[tuple[str, str, str]]:
        way = self.explanation
        source = self._because(str(way.source)) if way.source else "no rule: the Service itself"
        if way.is_tcp:
            yield "route", "none: the connection is passed on as bytes, and nobody reads the request", ""
        elif way.index >= 0 and way.table:
            yield "route", f"number {way.index + 1}{f', {way.route}' if way.route else ''}", source
            yield from ((word, text, source) for word, text in way.effects)
        elif not way.answer or way.answer == "404":
            yield "route", "none fits: 404", ""
        if way.answer and way.answer != "404":
            yield "answer", f"Envoy answers itself: {way.answer}", source if way.source else ""

    def _because(self, title: str) -> str:
        return str(self.written.get(title, title))

    def _destination(self, destination: Destination) -> Iterator[tuple[str, str, str]]:
        # One DestinationRule may have a subset for each cluster of a route.
        own = self.written.get(destination.cluster)
        because = str(own or self._because(str(destination.source))) if destination.source else ""
        yield from _destination(destination, because)


def _destination(destination: Destination, because: str) -> Iterator[tuple[str, str, str]]:
    if not destination.exists:
        yield "cluster", f"{destination.percent:.0f} % to {destination.cluster}, which does not exist: 503", because
        return
    yield "cluster", f"{destination.percent:.0f} % to {destination.cluster}, {destination.tls}", because
    if destination.endpoints:
        yield "endpoint", f"{', '.join(destination.endpoints)} {destination.tunnels}".rstrip(), ""
    else:
        yield "endpoint", "none is ready: 503", ""
