"""What this lab has started: a private file for each program, written before the program begins."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base import private, processes

Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The file of one program: which process it is, and what others must know of it."""

    path: Path

    def write(self, process: processes.Identity, **facts: object) -> None:
        """Replace the file at once; nobody else can read it at any moment."""
        text = json.dumps({"pid": process.pid, "born": process.born, **facts})
        private.write(self.path, text.encode())

    def read(self) -> Facts | None:
        """What the file says while its process lives; None when it does not, or the file is missing or damaged."""
        try:
            facts = json.loads(self.path.read_bytes())
            process = processes.Identity(pid=int(facts["pid"]), born=str(facts["born"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return facts if process.is_alive() else None

    def process(self) -> processes.Identity | None:
        """The process, while it lives."""
        facts = self.read()
        return processes.Identity(pid=facts["pid"], born=facts["born"]) if facts else None

    def forget(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
