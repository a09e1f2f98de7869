"""Every error a person can meet.

    LabError                  anything labkit says no with
    ├── NotReadyError         we waited and it did not happen
    ├── SetupError            this machine lacks something
    ├── ManifestError         text that is not a manifest
    └── PortTakenError        a port that another program has

Each names the thing, what was seen, and what to do next.
"""


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
