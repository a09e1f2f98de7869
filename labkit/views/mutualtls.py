"""Which ports of a service's pods take mutual TLS, who decided it, and what its clients do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit.mesh.explain.mutual_tls import NO_PROXY, Port
from labkit.views import markup

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("workload", "port", "mode", "decided by", "clients with a sidecar", "because", "plain text", "counted so far")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Requests and connections that came in at the pods of a workload, by their own proxies' metrics."""

    mutual: int = 0
    plain: int = 0

    def __str__(self) -> str:
        parts = ((self.mutual, "mutual TLS"), (self.plain, "plain text"))
        return ", ".join(f"{count:,} {word}" for count, word in parts if count) or "nothing yet"


NOTHING = Counted()


@dataclass(frozen=True, kw_only=True)
class MutualTls:
    """A row per workload and port; ``modes`` and ``problems`` are plain values for a check."""

    host: str
    ports: Sequence[Port]
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """By workload, since its pods began; the other columns are what the rules make of it."""

    def __repr__(self) -> str:
        table = markup.columns(HEAD, self._rows())
        return "\n".join([table, *(f"! {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        table = markup.table(HEAD, self._rows(), caption=f"Mutual TLS of {self.host}")
        listed = "".join(f"<li>{markup.text(problem)}</li>" for problem in self.problems)
        below = f"<ul>{listed}</ul>" if listed else ""
        return f'<div style="{markup.BOX}">{table}{below}</div>'

    @property
    def modes(self) -> dict[str, str]:
        """``{"reviews-v1:9080": "STRICT"}``."""
        return {f"{port.workload}:{port.port}": port.mode for port in self.ports}

    @property
    def problems(self) -> list[str]:
        """What does not fit together, each sentence once."""
        return list(dict.fromkeys(problem for port in self.ports for problem in port.problems))

    def table(self) -> "pd.DataFrame":
        """The same as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(HEAD))

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                *(p.workload, p.port, p.mode, p.decided_by, p.meshed_clients, p.because, p.other_clients),
                str(self.counted.get(p.workload, NOTHING)) if p.mode != NO_PROXY else "no proxy counts",
            )
            for p in sorted(self.ports, key=lambda p: (p.workload, p.port))
        ]
