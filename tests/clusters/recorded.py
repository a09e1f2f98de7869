"""Programs of a machine, played from recorded outputs."""

import shlex
from pathlib import Path

import yaml

from labkit.base import programs
from labkit.clusters import commands

ENGINE_DOWN = programs.Output(
    code=1,
    out='{"ID":"","NCPU":0,"MemTotal":0,"ServerVersion":"","DriverStatus":null,"ClientInfo":{"Version":"28.2.2"}}\n',
    err="Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
)
"""Of Docker's client 28.2.2 without an engine."""


OUTPUTS = yaml.safe_load((Path(__file__).parent / "outputs.yaml").read_text())
"""What programs say when they fail; ``real`` ones were recorded from the programs themselves."""


class Recorded:
    """Answers by the beginning of the command line; it remembers what was run and what was given."""

    def __init__(self, outputs):
        self._outputs, self.ran, self.given = dict(outputs), [], {}

    def path(self, name):
        return Path("/usr/bin") / name if any(line.split()[0] == name for line in self._outputs) else None

    def run(self, words, *, text=None, timeout=10.0):
        line = shlex.join(words)
        self.ran.append(line)
        self.given[line] = text
        for beginning in sorted(self._outputs, key=len, reverse=True):
            if line.startswith(beginning):
                answer = self._outputs[beginning]
                answer = answer(words) if callable(answer) else answer
                return answer if isinstance(answer, programs.Output) else said(answer)
        return programs.Output(code=commands.MISSING, out="", err=f"{words[0]}: command not found")


def said(out="", *, err="", code=0):
    """An output."""
    return programs.Output(code=code, out=out, err=err)


def failed(err, *, code=1):
    """An output of a program that says no."""
    return said(err=err, code=code)
