"""Who may do what: role-based access control, as on a real server; ``system:masters`` may do everything."""

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, users
from labkit.sandbox.apiserver.store import Store
from labkit.sandbox.apiserver.users import User

GROUP = "rbac.authorization.k8s.io"


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


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a user may do something."""

    allowed: bool
    reason: str = ""
    """Through which binding, or what was wrong with those looked at."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one binding gives to a user."""

    rules: list[Object]
    source: str
    """``RoleBinding "b/default" of Role "r" to User "jane"``."""

    problem: str = ""
    """Why it gives nothing."""


class Authorizer:
    """Evaluates the stored roles and bindings; they are few, so it looks at them afresh each time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"Authorizer({self._store!r})"

    def check(self, user: User, attributes: Attributes) -> None:
        """403 unless the user may."""
        decision = self.decide(user, attributes)
        if not decision.allowed:
            raise forbidden(user, attributes, decision.reason)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        """Whether a user may do something, and why."""
        if users.MASTERS in user.groups:
            return Decision(allowed=True)
        problems = []
        for grant in self.grants(user, attributes.namespace):
            if any(allows(rule, attributes) for rule in grant.rules):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant.source}")
            if grant.problem:
                problems.append(grant.problem)
        shown = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        return Decision(allowed=False, reason=f"RBAC: {shown}" if problems else "")

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Everything bound to a user, for the whole cluster and in one namespace."""
        for binding in self._objects("clusterrolebindings"):
            if subject := _subject(binding, user):
                yield self._grant(binding, subject)
        if namespace:
            for binding in self._objects("rolebindings", namespace):
                if subject := _subject(binding, user):
                    yield self._grant(binding, subject)

    def rules(self, user: User, namespace: str) -> Object:
        """The status of a SelfSubjectRulesReview."""
        rules = [rule for grant in self.grants(user, namespace) for rule in grant.rules]
        return {
            "resourceRules": [rule for rule in rules if rule.get("resources")],
            "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
            "incomplete": False,
        }

    def role(self, reference: Object, namespace: str) -> Object | None:
        """The role that a roleRef names."""
        if reference["kind"] == "Role":
            item = self._store.get(f"{GROUP}/roles", namespace, reference["name"])
        else:
            item = self._store.get(f"{GROUP}/clusterroles", "", reference["name"])
        return item.object if item else None

    def _objects(self, plural: str, namespace: str = "") -> Iterator[Object]:
        return (item.object for item in self._store.table(f"{GROUP}/{plural}").items(namespace))

    def _grant(self, binding: Object, subject: Object) -> Grant:
        metadata, reference = binding["metadata"], binding["roleRef"]
        namespace = metadata.get("namespace", "")
        kind, name = reference["kind"], reference["name"]
        role = self.role(reference, namespace)
        where = "/".join(filter(None, (metadata["name"], namespace)))
        who = "/".join(filter(None, (subject["name"], subject.get("namespace", ""))))
        return Grant(
            rules=(role or {}).get("rules") or [],
            source=f'{binding["kind"]} "{where}" of {kind} "{name}" to {subject["kind"]} "{who}"',
            problem="" if role else f'{kind.lower()}.{GROUP} "{name}" not found',
        )


def allows(rule: Object, attributes: Attributes) -> bool:
    """Whether one rule covers one action."""
    if not {"*", attributes.verb} & set(rule.get("verbs") or ()):
        return False
    if attributes.path:
        return any(_covers_path(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    resource, sub = attributes.resource, attributes.subresource
    matching = {"*", f"{resource}/{sub}", f"*/{sub}"} if sub else {"*", resource}
    names = rule.get("resourceNames")
    return (
        bool({"*", attributes.group} & set(rule.get("apiGroups") or ()))
        and bool(matching & set(rule.get("resources") or ()))
        and (not names or attributes.name in names)
    )


def forbidden(user: User, attributes: Attributes, reason: str = "") -> status.StatusError:
    """The 403 for an action."""
    end = f": {reason}" if reason else ""
    if attributes.path:
        who, path = refusing.quoted(user.name), refusing.quoted(attributes.path)
        text = f"forbidden: User {who} cannot {attributes.verb} path {path}{end}"
        return refusing.refusal(403, "Forbidden", text, {})
    resource = "/".join(filter(None, (attributes.resource, attributes.subresource)))
    where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    why = (
        f'User {refusing.quoted(user.name)} cannot {attributes.verb} resource "{resource}"'
        f' in API group "{attributes.group}" {where}{end}'
    )
    return refusing.forbidden(attributes.group, attributes.resource, attributes.name, why)


def _covers_path(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1]))


def _subject(binding: Object, user: User) -> Object | None:
    """The subject of a binding that means the user."""
    namespace = binding["metadata"].get("namespace", "")
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "User":
            meant = name == user.name
        elif kind == "Group":
            meant = name in user.groups
        else:
            meant = user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
        if meant:
            matched: Object = subject
            return matched
    return None
