"""What objects may say: rules by field in tables, and the refusals in a real server's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import refusals
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import (
    advice,
    custom,
    ephemeral,
    metadata,
    services,
    statuses,
    updates,
    walk,
)
from labkit.sandbox.apiserver.objects.validation.causes import Cause

EARLY: Mapping[str, Callable[[Object], Iterator[Cause]]] = {"/Service": services.families}
"""``GROUP/KIND`` → what is judged while a new object is still being completed, so that nothing else is said."""

__all__ = ["Cause", "invalid", "validate", "warnings"]


def validate(schema: Schema, new: Object, old: Object | None = None, subresource: str | None = None) -> list[Cause]:
    """Everything wrong with an object, in the server's order; with ``old``, also what may not change."""
    early = EARLY.get(f"{schema.group}/{schema.kind}")
    if early and old is None and (first := list(early(new))):
        return first
    is_last = f"{schema.group}/{schema.kind}" in metadata.LOOKED_AT_LAST
    if old is not None:
        complaints = [*metadata.of_update(schema, new, old, subresource=subresource)]
    else:
        complaints = [] if is_last else [*metadata.problems(schema, new)]
    if schema.custom is not None:
        complaints += custom.problems(schema, new, old)
        return [*complaints, *custom.broken(schema, new, old, complaints)]
    if subresource == ephemeral.SUBRESOURCE and old is not None:
        fields = (c for c in walk.problems(schema, new) if c.field.startswith("spec.ephemeralContainers"))
        return [*complaints, *dict.fromkeys([*fields, *ephemeral.problems(new, old)])]
    if subresource:
        return [*complaints, *(statuses.problems(schema, new, old) if subresource == "status" and old else ())]
    content = list(walk.problems(schema, new))
    if is_last and old is None and not content:
        content += metadata.problems(schema, new)
    if old is None:
        return [*complaints, *content]
    changed = [*updates.problems(schema, new, old)]
    # A name is checked against the content when it is given; later one of the two is immutable anyway.
    content = [cause for cause in content if cause.field != "metadata.name"]
    if (schema.group, schema.kind) == ("apps", "StatefulSet"):
        # Templates of claims cannot be changed anyway.
        content = [cause for cause in content if not cause.field.startswith("spec.volumeClaimTemplates")]
    if (schema.group, schema.kind) == ("batch", "Job"):
        # A real server judges a Job's spec twice, but for the labels that it made itself.
        content += [c for c in content if not c.field.startswith("spec.template.metadata.labels[")]
    is_content_first = f"{schema.group}/{schema.kind}" in updates.CONTENT_FIRST
    return [*complaints, *(content + changed if is_content_first else changed + content)]


def warnings(schema: Schema, new: Object, old: Object | None = None) -> list[str]:
    """Texts of Warning headers for what is allowed but unwise."""
    texts = [*advice.texts(schema, new, old)]
    if schema.custom is not None:
        texts += [f"{cause.field}: {cause.message}" for cause in custom.kept(schema, new, old)]
    return texts


def invalid(schema: Schema, name: str, causes: Sequence[Cause]) -> status.StatusError:
    """The 422 for these causes; the same sentence is said once."""
    kind = f"{schema.kind}.{schema.group}" if schema.group else schema.kind
    texts = list(dict.fromkeys(f"{c.field}: {c.message}" for c in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name, "group": schema.group, "kind": schema.kind}
    shown_details: Object = {key: value for key, value in details.items() if value}
    shown_details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return refusals.refusal(422, "Invalid", f"{kind} {refusals.quoted(name)} is invalid: {text}", shown_details)
