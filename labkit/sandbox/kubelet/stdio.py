"""Standard input and output of a container's own process."""

import contextlib
import os

from labkit.sandbox.kubelet import pump


class Stdio:
    """Our ends and the process's ends, until those are handed over."""

    def __init__(self, *, tty: bool, stdin: bool) -> None:
        self.input: int | None = None
        """Where to write for the process to read; None when it has no input."""
        self.tty: int | None = None
        """Our side of its terminal."""
        if tty:
            self.tty, theirs = os.openpty()
            self.input = self.tty
            self.theirs = [theirs, theirs, theirs]
            self.output = os.dup(self.tty)
            return
        # One pipe for both outputs: what a program says keeps its order.
        self.output, theirs = pump.wide_pipe()
        if stdin:
            reading, self.input = os.pipe()
        else:
            reading = os.open(os.devnull, os.O_RDONLY)
        self.theirs = [reading, theirs, theirs]

    def hand_over(self) -> None:
        """Close the process's ends."""
        for fd in set(self.theirs):
            os.close(fd)

    def close_input(self) -> None:
        """The process reads the end of its input; a terminal goes with its process only."""
        if self.tty is None:
            self.close()

    def close(self) -> None:
        """Close our ends but the output, which has an owner of its own."""
        if self.input is not None:
            with contextlib.suppress(OSError):
                os.close(self.input)
        self.input = self.tty = None
