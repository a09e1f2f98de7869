"""Which kinds, fields, labels and annotations of Kubernetes the sandbox carries out, and what to say of the others.

``kinds``, ``pods``, ``services`` and ``workloads`` hold the table; ``findings`` reads it for one object. Whoever
teaches the sandbox a kind or a field moves its entry to the carried-out side there, and nothing else.
"""

from labkit.sandbox.support.reading import PREFIX, findings, is_told_by_owner, resources

__all__ = ["PREFIX", "findings", "is_told_by_owner", "resources"]
