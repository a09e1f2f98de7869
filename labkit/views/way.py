"""The way that a request will take through one Envoy, and whose YAML made it so."""

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.mesh.explain.explanations import Destination, Explanation
from labkit.views import markup


@dataclass(frozen=True, kw_only=True)
class Way:
    """An explanation, drawn step by step."""

    request: str
    """``GET http://reviews:9080/reviews/0``."""

    proxy: str
    """The pod whose Envoy was asked."""

    explanation: Explanation

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
            yield "listener", "none of this Envoy's listeners has routes for it", ""
            return
        yield "listener", way.listener, ""
        if not way.virtual_host:
            yield "virtual host", f"none of {way.table} has this host: 404", ""
            return
        if way.table:
            yield "virtual host", f"{way.virtual_host} in {way.table}", ""
        for passed in way.passed:
            yield "passed", passed, ""
        source = str(way.source) if way.source else "no rule: the Service itself"
        if way.index < 0:
            yield "route", "none fits: 404", ""
            return
        yield "route", f"number {way.index + 1}{f', {way.route}' if way.route else ''}", source
        if way.answer:
            yield "answer", f"Envoy answers itself: {way.answer}", source
        for destination in way.destinations:
            yield from _destination(destination)


def _destination(destination: Destination) -> Iterator[tuple[str, str, str]]:
    because = str(destination.source) if destination.source else ""
    if not destination.exists:
        yield "cluster", f"{destination.percent:.0f} % to {destination.cluster}, which does not exist: 503", because
        return
    yield "cluster", f"{destination.percent:.0f} % to {destination.cluster}, {destination.tls}", because
    if destination.endpoints:
        yield "endpoint", ", ".join(destination.endpoints), ""
    else:
        yield "endpoint", "none is ready: 503", ""
