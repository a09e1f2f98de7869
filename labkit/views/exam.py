"""The mock exam as a form: its tasks, the time that is left, what is handed in, and at the end the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import traitlets

from labkit.base import errors
from labkit.views import assets, live, markup

HEAD = ("task", "points", "what to do", "handed in")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a sitting."""

    number: int
    points: float
    what: str
    """What to do."""

    done_when: str
    form: str
    """How its answer is written; empty where it asks for none."""

    is_handed_in: bool
    answer: str = ""
    """What was filed."""


@dataclass(frozen=True, kw_only=True)
class State:
    """How far a sitting is."""

    ends: float = 0.0
    """Unix seconds; 0 where nobody has started."""

    tasks: Sequence[Task] = ()
    report: Sequence[str] = ()
    """Lines that tell what was seen, as ``./lab exam report`` prints them."""


class Steps(Protocol):
    """What the form's buttons do: each returns how far the sitting is then, or raises a LabError."""

    def state(self) -> State:
        """How far the sitting is."""

    def start(self) -> State:
        """Draw new tasks."""

    def goto(self, number: int) -> State:
        """Bring the cluster to where a task begins."""

    def hand_in(self, number: int, answer: str) -> State:
        """File the answer, if there is one, and have the mesh judged."""


class ExamView(live.LiveView):
    """A row a task, with buttons that go to it and hand it in."""

    made_by = "lab.exam"
    _esm = assets.module("exam")
    _css = assets.styles("exam")

    ends = traitlets.Float(0.0).tag(sync=True)
    tasks: Any = traitlets.List().tag(sync=True)
    report: Any = traitlets.List().tag(sync=True)
    effects: Any = traitlets.List().tag(sync=True)
    """Words for effects of a cause, each with its sentence."""

    at = traitlets.Int(0).tag(sync=True)
    """The task on whose mesh the cluster is; 0 for none."""

    shows_report = traitlets.Bool(False).tag(sync=True)
    busy = traitlets.Unicode().tag(sync=True)
    """What is being done; empty where nothing is."""

    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, steps: Steps | None = None, *, effects: Mapping[str, str] | None = None) -> None:
        self._steps = steps
        super().__init__(effects=[list(pair) for pair in (effects or {}).items()])
        if steps is not None:
            self._do("", steps.state)

    @classmethod
    def of_state(cls, state: State) -> "ExamView":
        """A sitting as it was, without buttons that do anything."""
        view = cls()
        view._take(state)
        return view

    def __repr__(self) -> str:
        if not self.ends:
            return "Exam(not started)"
        done = sum(task["is_handed_in"] for task in self.tasks)
        left = max(0.0, self.ends - time.time())
        return f"Exam({done} of {len(self.tasks)} tasks handed in, {left // 60:.0f} minutes left)"

    def static_html(self) -> str:
        """The tasks as they are now, for exports."""
        if not self.tasks:
            return f'<div style="{markup.BOX}">No exam was started.</div>'
        rows = [
            (t["number"], f"{t['points']:.1f}", t["what"], "yes" if t["is_handed_in"] else "no") for t in self.tasks
        ]
        report = markup.pre("\n".join(self.report), label="Report") if self.shows_report else ""
        return f'<div style="{markup.BOX}">{markup.table(HEAD, rows, caption="Mock exam")}{report}</div>'

    def _take(self, state: State) -> None:
        with self.hold_sync():
            self.ends = state.ends
            self.tasks = [asdict(task) for task in state.tasks]
            self.report = list(state.report)

    def _do(self, doing: str, step: Callable[[], State]) -> bool:
        """Whether it went well; the message says what did not."""
        self.busy, self.message = doing, ""
        try:
            self._take(step())
        except errors.LabError as e:
            self.message = str(e)
            return False
        finally:
            self.busy = ""
        return True

    def _on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        super()._on_message(widget, content, buffers)
        steps = self._steps
        if not isinstance(content, dict) or steps is None or self.busy:
            return
        number = int(content.get("task") or 0)
        if content.get("step") == "start":
            self.shows_report, self.at = False, 0
            self._do("drawing sixteen tasks", steps.start)
        elif content.get("step") == "goto":
            if self._do(f"going to task {number}", lambda: steps.goto(number)):
                self.at = number
        elif content.get("step") == "hand_in":
            answer = str(content.get("answer") or "").strip()
            self._do(f"judging task {number}", lambda: steps.hand_in(number, answer))
        elif content.get("step") == "report":
            self._do("", steps.state)
            self.shows_report = True
