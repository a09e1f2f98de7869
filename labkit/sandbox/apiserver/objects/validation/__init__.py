"""What objects may say: rules by path, and the refusals in a real server's words."""

from collections.abc import Sequence

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation.causes import Cause

__all__ = ["Cause", "invalid", "validate", "warnings"]


def validate(schema: Schema, new: Object, old: Object | None = None, subresource: str | None = None) -> list[Cause]:
    """Everything wrong with an object, in the server's order; with ``old``, also what may not change."""
    return []


def warnings(schema: Schema, new: Object, old: Object | None = None) -> list[str]:
    """Texts of Warning headers for what is allowed but unwise."""
    return []


def invalid(schema: Schema, name: str, causes: Sequence[Cause]) -> status.StatusError:
    """The 422 for these causes."""
    kind = f"{schema.kind}.{schema.group}" if schema.group else schema.kind
    texts = [f"{c.field}: {c.message}" for c in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return status.error_of(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f'{kind} "{name}" is invalid: {text}',
            "reason": "Invalid",
            "details": {
                "name": name,
                "group": schema.group,
                "kind": schema.kind,
                "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
            },
            "code": 422,
        }
    )
