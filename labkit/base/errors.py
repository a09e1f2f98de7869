"""Every error a person can meet.

    LabError                  anything labkit says no with
    ├── NotReadyError         we waited and it did not happen
    ├── SetupError            this machine lacks something
    ├── ManifestError         text that is not a manifest
    └── PortTakenError        an address somebody else has

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
    """An address that we need is already in use."""

    def __init__(self, address: str, *, wanted_for: str, next_step: str) -> None:
        super().__init__(f"{address} is already in use; it was wanted for {wanted_for}.\nNext: {next_step}")
