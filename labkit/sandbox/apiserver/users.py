"""Who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.sandbox.apiserver.objects import gojson

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
MASTERS = "system:masters"
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, kw_only=True)
class User:
    """A user, a service account or nobody, with its groups."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)
    """More facts: which pod a token is bound to, how the user was authenticated."""

    def info(self) -> dict[str, Any]:
        """The ``userInfo`` of reviews and of admission."""
        facts: dict[str, Any] = {"username": self.name, "uid": self.uid, "groups": list(self.groups)}
        facts["extra"] = dict(self.extra)
        return {key: value for key, value in facts.items() if value}


def readable(user: User) -> User:
    """The user whose names can be written down, whatever bytes a header had."""
    if user.name.isascii() and not user.extra and all(map(str.isascii, user.groups)):
        return user
    valid = gojson.valid
    extra = {valid(key): valid(values) for key, values in user.extra.items()}
    return User(name=valid(user.name), groups=tuple(map(valid, user.groups)), uid=valid(user.uid), extra=extra)


NOBODY = User(name="")
ANONYMOUS = User(name="system:anonymous", groups=(UNAUTHENTICATED,))
ADMIN = User(name="admin", groups=(MASTERS, AUTHENTICATED))
SERVER = User(name="system:apiserver", groups=(MASTERS, AUTHENTICATED))
"""The server itself and what runs inside its process."""


def service_account(namespace: str, name: str, *, uid: str, extra: Mapping[str, list[str]]) -> User:
    """The user that a ServiceAccount's token stands for."""
    return User(name=f"{ACCOUNT}{namespace}:{name}", groups=groups_of_account(namespace), uid=uid, extra=extra)


def groups_of_account(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of a namespace."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED


def account_of(name: str) -> tuple[str, str] | None:
    """``system:serviceaccount:default:bot`` is ``("default", "bot")``; None for other users."""
    namespace, colon, account = name.removeprefix(ACCOUNT).partition(":")
    return (namespace, account) if name.startswith(ACCOUNT) and colon else None
