"""Every analyzer, and their messages together."""

from collections.abc import Callable, Iterator

from labkit.mesh.analysis import conflicts, references, workloads
from labkit.mesh.analysis.messages import ERROR, INFO, WARNING, Message
from labkit.mesh.analysis.snapshot import Snapshot

Analyzer = Callable[[Snapshot], Iterator[Message]]

ANALYZERS: tuple[Analyzer, ...] = (
    references.virtual_services,
    references.gateways,
    references.sidecars,
    references.policies,
    references.destination_rules,
    conflicts.virtual_services,
    conflicts.unheard_subsets,
    conflicts.gateways,
    conflicts.service_entries,
    conflicts.without_selector,
    conflicts.sidecars,
    workloads.namespaces,
    workloads.services,
    workloads.rules,
)

ORDER = (ERROR, WARNING, INFO)


def analyze(objects: Snapshot) -> list[Message]:
    """All messages, errors first, each once."""
    messages = {message for analyzer in ANALYZERS for message in analyzer(objects)}
    return sorted(messages, key=lambda m: (ORDER.index(m.level), m.origin, m.code, m.text))
