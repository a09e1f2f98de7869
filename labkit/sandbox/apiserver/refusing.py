"""Refusals of the server as a whole, in a real server's words; those about bodies are in ``objects``."""

from collections.abc import Sequence
from typing import Any

from labkit.kube import status
from labkit.sandbox.apiserver.objects.refusals import bad_request, internal, quoted, refusal, unsupported_media_type

__all__ = ["bad_request", "internal", "quoted", "refusal", "unsupported_media_type"]

GENERIC_NOT_FOUND = "the server could not find the requested resource"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def details(name: str, group: str, kind: str) -> dict[str, Any]:
    """``details`` of a Status; empty fields are left out."""
    fields = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in fields.items() if value}


def qualified(group: str, plural: str) -> str:
    """``deployments.apps``; ``pods``."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> status.StatusError:
    """404 for one object."""
    text = f"{qualified(group, plural)} {quoted(name)} not found"
    return refusal(404, "NotFound", text, details(name, group, plural))


def no_such_resource() -> status.StatusError:
    """404 for a path that names no kind."""
    return refusal(404, "NotFound", GENERIC_NOT_FOUND, {})


def already_exists(group: str, plural: str, name: str) -> status.StatusError:
    """409 of a create."""
    text = f'{qualified(group, plural)} "{name}" already exists'
    return refusal(409, "AlreadyExists", text, details(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str = MODIFIED) -> status.StatusError:
    """409 of a write."""
    text = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return refusal(409, "Conflict", text, details(name, group, plural))


def forbidden(group: str, plural: str, name: str, why: str) -> status.StatusError:
    """403 for one object."""
    shown = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    return refusal(403, "Forbidden", f"{shown} is forbidden: {why}", details(name, group, plural))


def method_not_allowed() -> status.StatusError:
    """405."""
    text = "the server does not allow this method on the requested resource"
    return refusal(405, "MethodNotAllowed", text, {})


def unavailable(message: str) -> status.StatusError:
    """503."""
    return refusal(503, "ServiceUnavailable", message)


def expired(message: str) -> status.StatusError:
    """410: the version asked for is gone."""
    return refusal(410, "Expired", message)


def unacceptable(accepted: Sequence[str]) -> status.StatusError:
    """406."""
    text = "only the following media types are accepted: " + ", ".join(accepted)
    return refusal(406, "NotAcceptable", text)


def too_large_version(asked: int, current: int) -> status.StatusError:
    """504: a version that is not there yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = f"Too large resource version: {asked}, current: {current}"
    return refusal(504, "Timeout", f"Timeout: {text}", {"causes": [cause], "retryAfterSeconds": 1})


def invalid_options(causes: Sequence[tuple[str, str, str]], kind: str = "ListOptions") -> status.StatusError:
    """422 for query parameters; each cause is ``(reason, message, field)``."""
    texts = [f"{field}: {message}" for _, message, field in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    entries = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    details = {"group": "meta.k8s.io", "kind": kind, "causes": entries}
    return refusal(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {text}', details)
