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

    found: Explanation

    def __repr__(self) -> str:
        return markup.columns(("step", "what", "because of"), self.steps())

    def _repr_html_(self) -> str:
        head = f"<b>{markup.text(self.request)}</b> through the Envoy of {markup.text(self.proxy)}"
        return f'<div style="{markup.BOX}">{head}{markup.table(("step", "what", "because of"), self.steps())}</div>'

    def steps(self) -> list[tuple[str, str, str]]:
        """Step, what it is in Envoy, and the object behind it."""
        return list(self._steps())

    def _steps(self) -> Iterator[tuple[str, str, str]]:
        found = self.found
        if not found.listener:
            yield "listener", "none of this Envoy's listeners has routes for it", ""
            return
        yield "listener", found.listener, ""
        if not found.virtual_host:
            yield "virtual host", f"none of {found.table} has this host: 404", ""
            return
        if found.table:
            yield "virtual host", f"{found.virtual_host} in {found.table}", ""
        for passed in found.passed:
            yield "passed", passed, ""
        source = str(found.source) if found.source else "no rule: the Service itself"
        if found.index < 0:
            yield "route", "none fits: 404", ""
            return
        yield "route", f"number {found.index + 1}{f', {found.route}' if found.route else ''}", source
        if found.answer:
            yield "answer", f"Envoy answers itself: {found.answer}", source
        for destination in found.destinations:
            yield from _destination(destination)


def _destination(found: Destination) -> Iterator[tuple[str, str, str]]:
    because = str(found.source) if found.source else ""
    if not found.exists:
        yield "cluster", f"{found.percent:.0f} % to {found.cluster}, which does not exist: 503", because
        return
    yield "cluster", f"{found.percent:.0f} % to {found.cluster}, {found.tls}", because
    if found.endpoints:
        yield "endpoint", ", ".join(found.endpoints), ""
    else:
        yield "endpoint", "none is ready: 503", ""
