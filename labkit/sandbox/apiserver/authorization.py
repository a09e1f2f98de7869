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


class Authorizer:
    """Decides about requests."""

    def admit(self, user: User, attributes: Attributes, headers: Mapping[str, str]) -> User:
        """The user to act as; 403 when it may not."""
        if users.MASTERS in user.groups or users.AUTHENTICATED in user.groups:
            return user
        if attributes.path in OPEN_PATHS:
            return user
        raise refusing.refusal(403, "Forbidden", "forbidden", {})
