"""Acting as somebody else: the Impersonate- headers."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from labkit.sandbox.apiserver import authorization, refusing, users
from labkit.sandbox.apiserver.authorization import Attributes, Authorizer
from labkit.sandbox.apiserver.users import User

EXTRA = "impersonate-extra-"
IDENTITY = "authentication.k8s.io"


def acting(user: User, headers: CIMultiDictProxy[str], attributes: Attributes, authorizer: Authorizer) -> User:
    """Who the request is to be from: the user, or whom it impersonates; 403 if it may not."""
    asked = _asked(headers)
    if asked == users.NOBODY:
        return user
    if not asked.name:
        raise refusing.bad_request(f"requested {_shown(asked)} without impersonating a user name")
    for action in _actions(asked):
        if not authorizer.decide(user, action).allowed:
            refused = replace(attributes, verb=f"impersonate-on:user-info:{attributes.verb}")
            raise authorization.forbidden(user, refused)
    return replace(asked, groups=_groups(asked))


def _asked(headers: CIMultiDictProxy[str]) -> User:
    extra: dict[str, list[str]] = {}
    for key, value in headers.items():
        if key.lower().startswith(EXTRA):
            extra.setdefault(unquote(key.lower().removeprefix(EXTRA)), []).append(value)
    return User(
        name=headers.get("Impersonate-User", ""),
        groups=tuple(headers.getall("Impersonate-Group", ())),
        uid=headers.get("Impersonate-Uid", ""),
        extra=extra,
    )


def _actions(asked: User) -> Iterator[Attributes]:
    """The actions that impersonating this user takes."""
    account = users.account_of(asked.name)
    if account:
        namespace, name = account
        yield Attributes(verb="impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes(verb="impersonate", resource="users", name=asked.name)
    for group in asked.groups:
        yield Attributes(verb="impersonate", resource="groups", name=group)
    if asked.uid:
        yield Attributes(verb="impersonate", group=IDENTITY, resource="uids", name=asked.uid)
    for key, values in asked.extra.items():
        for value in values:
            yield Attributes(verb="impersonate", group=IDENTITY, resource="userextras", subresource=key, name=value)


def _groups(asked: User) -> tuple[str, ...]:
    if asked.name == users.ANONYMOUS.name:
        return asked.groups or users.ANONYMOUS.groups
    account = users.account_of(asked.name)
    groups = asked.groups or (users.groups_of_account(account[0]) if account else ())
    return groups if users.AUTHENTICATED in groups else (*groups, users.AUTHENTICATED)


def _shown(asked: User) -> str:
    """The user as Go prints it."""
    quoted = refusing.quoted
    groups = f"[]string{{{', '.join(map(quoted, asked.groups))}}}" if asked.groups else "[]string(nil)"
    extra = "map[string][]string(nil)"
    if asked.extra:
        entries = (f"{quoted(k)}:[]string{{{', '.join(map(quoted, v))}}}" for k, v in sorted(asked.extra.items()))
        extra = f"map[string][]string{{{', '.join(entries)}}}"
    return f'&user.DefaultInfo{{Name:"", UID:{quoted(asked.uid)}, Groups:{groups}, Extra:{extra}}}'
