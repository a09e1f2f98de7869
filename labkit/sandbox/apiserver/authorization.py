"""Who may do what."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.sandbox.apiserver import refusing, users
from labkit.sandbox.apiserver.users import User

OPEN_PATHS = ("/version", "/version/", "/healthz", "/livez", "/readyz")


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """One action, as rules are asked about it."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    """A path that is no resource; then all of the above but the verb is empty."""

    field_selector: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """May it, and why."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """Decides about requests."""

    def decide(self, user: User, attributes: Attributes) -> Decision:
        """Whether a user may do something."""
        return Decision(allowed=users.MASTERS in user.groups)

    def rules(self, user: User, namespace: str) -> dict[str, object]:
        return {}

    def admit(self, user: User, attributes: Attributes, headers: Mapping[str, str]) -> User:
        """The user to act as; 403 when it may not."""
        if users.MASTERS in user.groups or users.AUTHENTICATED in user.groups:
            return user
        if attributes.path in OPEN_PATHS:
            return user
        raise refusing.refusal(403, "Forbidden", "forbidden", {})
