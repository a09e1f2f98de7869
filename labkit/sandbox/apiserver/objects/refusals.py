"""Refusals that are decided here, as Status objects in a real server's words."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from labkit.kube import status


def refusal(code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> status.StatusError:
    """Any refusal; an empty reason or no details are left out."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body["message"] = message
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    return status.error_of(body | {"code": code})


def bad_request(message: str) -> status.StatusError:
    """400: the request itself is wrong."""
    return refusal(400, "BadRequest", message)


def internal(message: str) -> status.StatusError:
    """500 without a reason: where a real server lets an error of its own through."""
    return refusal(500, "", message)


def unsupported_media_type(*accepted: str) -> status.StatusError:
    """415 for a body whose content type is none of those accepted."""
    types = ", ".join(accepted)
    return refusal(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {types}",
    )


def conflict(message: str, causes: Sequence[Mapping[str, str]]) -> status.StatusError:
    """409 of a server-side apply."""
    return refusal(409, "Conflict", message, {"causes": list(causes)})


def invalid_patch(value: str, problem: str) -> status.StatusError:
    """422 for a patch, or its result, that cannot be read as the kind; it names no kind and no object."""
    message = f"Invalid value: {quoted(value)}: {problem}"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
    return refusal(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": [cause]})


def quoted(text: str) -> str:
    """A text as Go's ``%q`` prints it."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _coded(c)) for c in text) + '"'


def printed(number: float) -> str:
    """A number as Go's ``%v`` prints it: ``-5``, ``0.5``, ``100``, ``4.294967295e+09``."""
    if isinstance(number, int):
        return str(number)
    shortest = Decimal(repr(number)).normalize()
    if -4 <= shortest.adjusted() < 6:
        return repr(number).removesuffix(".0")
    return f"{number:.{len(shortest.as_tuple().digits) - 1}e}"


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}


def _coded(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that was no UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
