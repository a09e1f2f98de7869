"""What the request explorer shows on a lab: answers of the gateway, and the way that each took.

Where access logs are written they tell it; else what the gateway's Envoy decides is all that is known.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urljoin

from labkit.mesh.explain.explanations import Destination
from labkit.telemetry import proxies
from labkit.traffic import fetching, results
from labkit.views import explorer, page, way

Fetch = Callable[[str, Mapping[str, str]], fetching.Answer]
"""``fetch(path, headers)``."""

FURTHER = "This is what the gateway's Envoy decides. What the sidecars behind it did is in their access logs."


class Explorer:
    """The callbacks of one view; it remembers what was asked, to explain it."""

    def __init__(
        self,
        fetch: Callable[[explorer.Ask], Fetch],
        decide: Callable[[explorer.Ask], way.Way],
        *,
        follow: explorer.Explain = lambda _: explorer.Trace(),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._fetch, self._decide, self._follow, self._clock = fetch, decide, follow, clock
        self._sent: dict[str, tuple[explorer.Ask, explorer.Answer]] = {}

    def send(self, ask: explorer.Ask) -> list[explorer.Answer]:
        """Send it as often as asked, one after the other."""
        fetch, answers = self._fetch(ask), []
        self._sent = {}
        for _ in range(ask.count):
            answer = self._answer(fetch, ask)
            self._sent[answer.request_id] = ask, answer
            answers.append(answer)
        return answers

    def explain(self, request_id: str) -> explorer.Trace:
        """The whole way where it is written down, else the gateway's part of it."""
        followed = self._follow(request_id)
        if followed.hops:
            return followed
        ask, answer = self._sent[request_id]
        gateway_trace = trace(self._decide(ask), answer)
        return replace(gateway_trace, note=f"{gateway_trace.note} {followed.note}".strip())

    def _answer(self, fetch: Fetch, ask: explorer.Ask) -> explorer.Answer:
        own = str(uuid.uuid4())
        began = self._clock()
        # A gateway gives requests from outside an id of its own: the User-Agent comes through, and apps hand it on.
        got = fetch(ask.path, {"x-request-id": own, "User-Agent": f"labkit/{own}", **ask.headers})
        took = self._clock() - began

        def again(path: str) -> tuple[int, str]:
            if path == ask.path:
                return got.status, got.text
            style = fetch(path, {})
            return style.status, style.text

        is_page = "html" in got.headers.get("content-type", "")
        return explorer.Answer(
            status=got.status,
            latency_ms=took * 1000,
            version=results.served_by(got.text.encode())[0],
            request_id=got.headers.get("x-request-id", own),
            html=page.snapshot("http://gateway", ask.path, again).html if is_page else "",
            error="" if got.status < 400 or is_page else got.text[: results.ERROR_TEXT].strip(),
        )


def trace(gateway_way: way.Way, answer: explorer.Answer) -> explorer.Trace:
    """The hop of the proxy that was asked."""
    decided = gateway_way.explanation
    hop = explorer.Hop(
        proxy=gateway_way.proxy,
        sent_to=" or ".join(_words(d) for d in decided.destinations) or decided.answer or "nowhere",
        status=answer.status,
        ms=answer.latency_ms,
        rule=str(decided.source) if decided.source else "no rule: the Service itself",
    )
    return explorer.Trace(hops=[hop], note=FURTHER)


def _words(destination: Destination) -> str:
    _, _, subset, host = proxies.parts_of(destination.cluster)
    name = " ".join(part for part in (host.split(".")[0], subset) if part)
    return name if destination.percent == 100 else f"{name} ({destination.percent:.0f} %)"


def fetch_of(base: str, ask: explorer.Ask) -> Fetch:
    """Requests as the user of ``ask``, who logs in once."""
    cookie = {"Cookie": fetching.session(base, user=ask.user)} if ask.user else {}

    def fetch(path: str, headers: Mapping[str, str]) -> fetching.Answer:
        return fetching.fetch(base, urljoin(ask.path, path), headers={**cookie, **headers})

    return fetch
