"""The request explorer: one request as a user sends it, the answer, and the way it took through the proxies.

It knows two callbacks: ``send(ask) -> answers``, and ``explain(request_id) -> Trace`` for who knows where a request
went. Recorded answers work as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import traitlets

from labkit.base import errors
from labkit.telemetry import flags
from labkit.views import assets, live, markup

MOST = 50
"""Requests of one ask: each is a row, and a row can be looked into."""

Explain = Callable[[str], "Trace"]
Send = Callable[["Ask"], "Sequence[Answer]"]


class AskError(errors.LabError):
    """A request that cannot be sent as it is written."""

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What to send."""

    path: str = "/productpage"
    user: str = ""
    """Who logs in first; empty for nobody."""

    headers: Mapping[str, str] = field(default_factory=dict)
    count: int = 1

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise AskError(f"The path {self.path!r} does not begin with /.", next_step=f"write /{self.path}")
        if not 1 <= self.count <= MOST:
            raise AskError(f"count={self.count} is not between 1 and {MOST}.", next_step="lab.send() sends more")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    """0 when nothing came."""

    latency_ms: float
    version: str = ""
    request_id: str = ""
    """``x-request-id``, by which logs and traces know it."""

    html: str = ""
    """The page with its style sheets inside, or the text."""

    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One proxy on the way, in the order in which the request met them."""

    proxy: str
    """The pod it is in."""

    sent_to: str
    """Where it went from there: ``reviews v2``."""

    status: int
    ms: float
    """How long this proxy waited for the rest of the way."""

    start_ms: float = 0.0
    """When it began, after the first proxy did."""

    flags: str = ""
    """Envoy's response flags: ``UO``."""

    rule: str = ""
    """What decided: the route, and the object it came from."""

    security: str = ""
    """How it was sent from there: ``mutual TLS`` or ``plain text``; empty where nobody knows."""

    is_measured: bool = False
    """Whether the called proxy's log tells that; else it is what the rules make of it."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The way of one request, and the lines it left in access logs."""

    hops: Sequence[Hop] = ()
    lines: Sequence[tuple[str, str]] = ()
    """Proxy and line."""

    note: str = ""
    """What to know of it: why nothing is known, for example."""


class ExplorerView(live.LiveView):
    """A form, a row an answer, and for the chosen one its page, its way and its log lines."""

    made_by = "lab.explore"
    _esm = assets.module("explorer")
    _css = assets.styles("explorer")

    ask: Any = traitlets.Dict().tag(sync=True)
    """The form: path, user, headers as text, count."""

    users = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Names to choose from."""

    can_send = traitlets.Bool(True).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    answers: Any = traitlets.List().tag(sync=True)
    """A row each, without the pages."""

    chosen = traitlets.Int(0).tag(sync=True)
    page = traitlets.Unicode().tag(sync=True)
    """The chosen answer's page."""

    trace: Any = traitlets.Dict().tag(sync=True)
    """The chosen answer's way and log lines."""

    message = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        send: Send | None = None,
        *,
        explain: Explain | None = None,
        path: str = "/productpage",
        users: Sequence[str] = ("jason",),
    ) -> None:
        self._sender, self._explain = send, explain
        self._answers: list[Answer] = []
        form = {"path": path, "user": "", "headers": "", "count": 1}
        super().__init__(ask=form, users=list(users), can_send=send is not None)

    @classmethod
    def of_answers(cls, answers: Sequence[Answer], trace: Trace | None = None) -> "ExplorerView":
        """Recorded answers, and the way of the first one."""
        view = cls(explain=None if trace is None else lambda _: trace)
        view._take(answers)
        return view

    def __repr__(self) -> str:
        if not self._answers:
            return "Explorer(nothing sent yet)"
        codes = ", ".join(str(answer.status or "no answer") for answer in self._answers[:5])
        return f"Explorer({self.ask['path']}: {codes}{' …' if len(self._answers) > 5 else ''})"

    def request(
        self, path: str = "", *, user: str = "", headers: Mapping[str, str] | None = None, count: int = 1
    ) -> "ExplorerView":
        """Send as the form's button does; returns itself."""
        ask = Ask(path=path or self.ask["path"], user=user, headers=headers or {}, count=count)
        text = "\n".join(f"{name}: {value}" for name, value in ask.headers.items())
        self.ask = {"path": ask.path, "user": user, "headers": text, "count": count}
        self._fetch(ask)
        return self

    def choose(self, number: int) -> None:
        """Look into an answer, by its place."""
        if not 0 <= number < len(self._answers):
            return
        answer = self._answers[number]
        with self.hold_sync():
            self.chosen, self.page = number, answer.html
            self.trace = _plain(self._explained(answer))

    def table(self) -> Any:
        """The answers as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([row(answer) for answer in self._answers], columns=list(ROW))

    def way(self) -> Any:
        """The chosen answer's way as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.trace.get("hops", []), columns=[*Hop.__dataclass_fields__, "why"])

    def static_html(self) -> str:
        """The answers, the way and the log lines as they are now, for exports."""
        return static_html([row(answer) for answer in self._answers], self.trace)

    def _fetch(self, ask: Ask) -> None:
        if self._sender is None:
            return
        self.busy, self.message = True, ""
        try:
            self._take(self._sender(ask))
        except errors.LabError as e:
            self.message = str(e)
        finally:
            self.busy = False

    def _take(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.answers = [row(answer) for answer in answers]
        self.choose(0)

    def _explained(self, answer: Answer) -> Trace:
        if self._explain is None:
            return Trace()
        if not answer.request_id:
            return Trace(note="The answer has no x-request-id, so no log line can be told to be its.")
        try:
            return self._explain(answer.request_id)
        except errors.LabError as e:
            return Trace(note=str(e))

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        super()._on_message(widget, content, buffers)
        if not isinstance(content, dict):
            return
        if "send" in content:
            try:
                ask = parse_ask(content["send"])
            except AskError as e:
                self.message = str(e)
                return
            self.ask = dict(content["send"])
            self._fetch(ask)
        elif isinstance(content.get("choose"), int):
            self.choose(content["choose"])


ROW = ("status", "latency_ms", "version", "request_id", "error")


def row(answer: Answer) -> dict[str, Any]:
    """An answer without its page."""
    return {name: getattr(answer, name) for name in ROW}


def parse_ask(form: Mapping[str, Any]) -> Ask:
    """What a form says; AskError names the field that cannot be."""
    try:
        count = int(form.get("count") or 1)
    except (TypeError, ValueError):
        raise AskError(f"count={form.get('count')!r} is not a number.", next_step="write 1") from None
    return Ask(
        path=str(form.get("path") or "/").strip(),
        user=str(form.get("user") or "").strip(),
        headers=parse_headers(str(form.get("headers") or "")),
        count=count,
    )


def parse_headers(text: str) -> dict[str, str]:
    """A header a line, ``name: value``."""
    headers = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or " " in name.strip():
            raise AskError(f"The header {line!r} is not name: value.", next_step="write end-user: jason")
        headers[name.strip()] = value.strip()
    return headers


def static_html(rows: Sequence[Mapping[str, Any]], trace: Mapping[str, Any]) -> str:
    """The explorer's form for exports."""
    parts = [markup.table(ROW, [[r[name] for name in ROW] for r in rows], caption="Answers")] if rows else []
    hops = trace.get("hops", [])
    if hops:
        cells = [
            [
                h["proxy"],
                h["sent_to"],
                markup.sent_as(h["security"], is_measured=h["is_measured"]),
                h["status"],
                f"{h['ms']:.1f}",
                h["why"],
                h["rule"],
            ]
            for h in hops
        ]
        head = ("proxy", "sent to", "sent as", "status", "ms", "why", "decided by")
        parts.append(markup.table(head, cells, caption="The way of the first one"))
    parts += [markup.pre(f"{proxy}  {line}") for proxy, line in trace.get("lines", [])]
    return f'<div style="{markup.BOX}">{"".join(parts) or "nothing sent yet"}</div>'


def _plain(trace: Trace) -> dict[str, Any]:
    return {
        "hops": [{**asdict(hop), "why": flags.explained(hop.flags)} for hop in trace.hops],
        "lines": [list(line) for line in trace.lines],
        "note": trace.note,
    }
