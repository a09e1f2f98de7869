"""What programs inside a pod print: curl's answer with its headers, fortio's counts. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MARK = "\n--labkit-- "
"""Between what an answer holds and what curl says of it."""

WRITE_OUT = MARK.replace("\n", "\\n") + "%{http_code} %{time_total}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a program in a pod was answered."""

    status: int
    """0 when no answer came."""

    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    body: str = ""
    error: str = ""
    """Why no answer came, as curl says it: ``curl: (56) Recv failure: Connection reset by peer``."""

    def __repr__(self) -> str:
        if not self.status:
            return f"no answer: {self.error}"
        return f"{self.status} after {self.seconds:.2f} s\n{self.body}".rstrip()


def answer(out: str, err: str, code: int) -> Answer:
    """curl's output, made with ``-i`` and WRITE_OUT."""
    whole, _, written = out.rpartition(MARK.strip("\n"))
    words = written.split()
    status = int(words[0]) if words and words[0].isdigit() else 0
    if not status:
        return Answer(status=0, error=err.strip() or f"curl ended with exit code {code}")
    head, _, body = _last_head(whole.replace("\r\n", "\n"))
    headers = dict(_header(line) for line in head.splitlines()[1:] if ":" in line)
    return Answer(status=status, seconds=float(words[1]), headers=headers, body=body.strip("\n"))


def _last_head(text: str) -> tuple[str, str, str]:
    """The head of the last answer: a ``100 Continue`` or a proxy's own comes before it."""
    head, blank, body = text.partition("\n\n")
    while body.startswith("HTTP/"):
        head, blank, body = body.partition("\n\n")
    return head, blank, body


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a load from inside a pod met."""

    by_status: Mapping[int, int]
    """Responses by status; -1 stands for none."""

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.by_status.values())

    def __repr__(self) -> str:
        shares = ", ".join(f"{count} × {status}" for status, count in sorted(self.by_status.items()))
        return f"{self.total} requests: {shares}"


_CODE = re.compile(r"^Code\s+(-?\d+)\s*:\s*(\d+)", re.M)


def counts(text: str) -> Counts:
    """fortio's summary lines, ``Code 200 : 17 (85.0 %)``."""
    return Counts(by_status={int(code): int(count) for code, count in _CODE.findall(text)})
