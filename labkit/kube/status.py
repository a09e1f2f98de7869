"""What an API server says no with.

StatusError               a reply of 400 or more, carrying its Status object
├── NotFound              404
├── Conflict              409, reason Conflict: somebody else wrote first
├── AlreadyExists         409, reason AlreadyExists
├── Invalid               422
└── Expired               410: the version asked for is too old; list again
"""

from typing import Any

from labkit.base import errors


class StatusError(errors.LabError):
    """An API server's refusal; ``status`` is the Status object it sent."""

    code_of_class = 500

    def __init__(self, status: dict[str, Any]) -> None:
        self.status = status
        super().__init__(status.get("message", "") or status.get("reason", "") or str(status.get("code")))

    @property
    def code(self) -> int:
        """The HTTP status."""
        return int(self.status.get("code", self.code_of_class))

    @property
    def reason(self) -> str:
        """The machine-readable word, such as ``NotFound``; empty when the server gave none."""
        return str(self.status.get("reason", ""))


class NotFound(StatusError):
    """404."""


class Conflict(StatusError):
    """409, reason Conflict."""


class AlreadyExists(StatusError):
    """409, reason AlreadyExists."""


class Invalid(StatusError):
    """422."""


class Expired(StatusError):
    """410."""


def error_of(status: dict[str, Any]) -> StatusError:
    """The StatusError, of the right class, for a Status object."""
    code, reason = status.get("code"), status.get("reason")
    if reason == "AlreadyExists":
        return AlreadyExists(status)
    kinds: dict[Any, type[StatusError]] = {404: NotFound, 409: Conflict, 410: Expired, 422: Invalid}
    return kinds.get(code, StatusError)(status)


def refusal(message: str, *, code: int = 400, reason: str = "BadRequest") -> StatusError:
    """The StatusError of a server that has nothing to add to its message."""
    return error_of(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
    )
