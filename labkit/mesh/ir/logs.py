"""Access logs: where a line for each request or connection goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Log:
    """One place that takes a line for each request."""

    path: str = ""
    """A file; empty where a collector takes the lines."""

    text: str = ""
    """The format of a line; empty for Istio's own."""

    fields: Mapping[str, Any] | None = None
    """The format as JSON, in place of text; empty for Istio's own."""

    collector: str = ""
    """The upstream of an OpenTelemetry collector."""

    name: str = ""
    """The name under which a collector files the log."""

    expression: str = ""
    """CEL: the requests that leave a line; empty for all."""

    def __hash__(self) -> int:
        return hash((self.path, self.text, self.collector, self.name, self.expression))
