"""Every error a person can meet.

    LabError                  anything labkit says no with
    ├── NotReadyError         we waited and it did not happen
    ├── SetupError            this machine lacks something
    ├── FileError             a file or folder that the system refuses
    ├── ManifestError         text that is not a manifest
    └── PortTakenError        a port that another program has

Each names the thing, what was seen, and what to do next.
"""

import errno
import shlex


class LabError(Exception):
    """Something a person can act on; its text is the whole message."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of a traceback: the text says what to do, our call stack does not.
        return [f"{type(self).__name__}: {self}"]


class NotReadyError(LabError):
    """Something we waited for did not happen in time."""

    def __init__(self, what: str, *, waited: float, last_seen: str, next_step: str) -> None:
        super().__init__(f"{what} was not ready after {waited:g} s.\nLast seen: {last_seen}\nNext: {next_step}")


class SetupError(LabError):
    """This machine lacks something the lab needs."""

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


class FileError(LabError):
    """The system refuses to read or write something of the lab."""

    def __init__(self, error: OSError, *, home: str) -> None:
        place = str(error.filename or home)
        reason = error.strerror or str(error)
        next_step = {
            errno.ENOSPC: f"free some space on its disk (df -h {shlex.quote(home)}), then do this again",
            errno.EDQUOT: "free some space in your quota, then do this again",
        }.get(error.errno or 0, "put the lab where you can write: LABKIT_HOME=/path/of/yours ./lab up")
        super().__init__(f"{place} cannot be used: {reason}.\nNext: {next_step}")


class ManifestError(LabError):
    """A text was meant to be a manifest and is not."""

    def __init__(self, source: str, *, problem: str, next_step: str) -> None:
        super().__init__(f"{source}: {problem}\nNext: {next_step}")


class PortTakenError(LabError):
    """A port that pods need on their own addresses, and another program has on every address."""

    def __init__(self, port: int, *, holder: str, wanted_for: str) -> None:
        super().__init__(
            f"Port {port} of every address of this machine is taken by {holder}; {wanted_for} needs it.\n"
            "Next: stop that program, or let it listen on 127.0.0.1 alone; then ./lab up"
        )
