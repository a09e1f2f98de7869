"""Who may call whom on a cluster: the policies are asked, and requests are sent from every pod that can."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from labkit.base import programs
from labkit.lab import snapshots
from labkit.lab.connection import Connection
from labkit.mesh.explain import matrix
from labkit.mesh.explain.matrix import Cell

WITHIN = 3
"""Seconds that one request may take."""

AT_ONCE = 4
"""Pods in which requests are sent at a time."""

STATUS = "%{http_code}"
_ONE = f"curl -s -m {WITHIN} -o /dev/null -w '{STATUS}\\n' -X"


class Permissions:
    """Of one cluster's course namespace."""

    def __init__(self, connection: Connection, *, method: str, path: str) -> None:
        self._connection, self._method, self._path = connection, method, path

    def ask(self) -> list[Cell]:
        """What the policies say."""
        snapshot = snapshots.read(self._connection.api)
        return matrix.cells(snapshot, self._connection.namespace, method=self._method, path=self._path)

    def measure(self, cells: Sequence[Cell]) -> dict[tuple[str, str], int]:
        """(caller, service) → status; 0 where no answer comes. Pods without curl cannot be measured from."""
        callers: dict[str, list[Cell]] = {}
        for cell in cells:
            callers.setdefault(cell.caller, []).append(cell)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = list(pool.map(self._connection.run.run, [_words(n, of_caller) for n, of_caller in callers.items()]))
        statuses: dict[tuple[str, str], int] = {}
        for done, (name, of_caller) in zip(runs, callers.items(), strict=True):
            numbers = read(done)
            if len(numbers) == len(of_caller):
                statuses |= {(name, cell.service): number for cell, number in zip(of_caller, numbers, strict=True)}
        return statuses


def _words(caller: str, cells: Sequence[Cell]) -> list[str]:
    requests = "; ".join(f"{_ONE} {c.method} http://{c.service}:{c.port}{c.path}" for c in cells)
    return ["exec", f"deploy/{caller}", "--", "sh", "-c", requests]


def read(done: programs.Output) -> list[int]:
    """The statuses that curl printed, a line each."""
    return [int(line) for line in done.out.split() if line.isdecimal()]
