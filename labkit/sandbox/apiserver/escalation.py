"""Nobody grants what they do not have, unless a role lets them ``escalate`` or ``bind``."""

from collections.abc import Iterator
from itertools import product

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, users
from labkit.sandbox.apiserver.authorization import GROUP, Attributes, Authorizer, allows
from labkit.sandbox.apiserver.calls import Call

ROLES, BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


class Escalation:
    """Looks at writes of roles and bindings."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """403 for more rights than the writer has."""
        if call.served.group != GROUP or users.MASTERS in call.user.groups:
            return None
        if call.served.plural in ROLES:
            self._check_role(call, new, old)
        elif call.served.plural in BINDINGS:
            self._check_binding(call, new, old)
        return None

    def _check_role(self, call: Call, new: Object, old: Object | None) -> None:
        rules = new.get("rules") or []
        if old is not None and rules == (old.get("rules") or []):
            return
        if not self._may(call, "escalate", call.served.plural, call.name):
            self._check_rules(call, rules)

    def _check_binding(self, call: Call, new: Object, old: Object | None) -> None:
        reference = new["roleRef"]
        if old is not None and (reference, new.get("subjects")) == (old["roleRef"], old.get("subjects")):
            return
        if self._may(call, "bind", f"{reference['kind'].lower()}s", reference["name"]):
            return
        role = self._authorizer.role(reference, call.namespace)
        if role is None:
            raise refusing.not_found(GROUP, call.served.plural, reference["name"])
        self._check_rules(call, role.get("rules") or [])

    def _may(self, call: Call, verb: str, resource: str, name: str) -> bool:
        attributes = Attributes(verb=verb, group=GROUP, resource=resource, namespace=call.namespace, name=name)
        return self._authorizer.decide(call.user, attributes).allowed

    def _check_rules(self, call: Call, rules: list[Object]) -> None:
        own = [r for grant in self._authorizer.grants(call.user, call.namespace) for r in grant.rules]
        missing = [rule for rule in rules if not _is_covered(rule, own)]
        if missing:
            raise _escalating(call, missing)


def _is_covered(rule: Object, own: list[Object]) -> bool:
    return all(any(allows(r, action) for r in own) for action in _actions(rule))


def _actions(rule: Object) -> Iterator[Attributes]:
    """Every action of a rule, wildcards taken as names of their own."""
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or [""]
    for verb, url in product(verbs, rule.get("nonResourceURLs") or ()):
        yield Attributes(verb=verb, path=url)
    for verb, group, named, name in product(verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names):
        resource, _, sub = named.partition("/")
        yield Attributes(verb=verb, group=group, resource=resource, subresource=sub, name=name)


def _escalating(call: Call, missing: list[Object]) -> status.StatusError:
    groups = ", ".join(map(refusing.quoted, call.user.groups))
    shown = "\n".join(map(_shown, missing))
    why = f'user "{call.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:'
    return refusing.forbidden(GROUP, call.served.plural, call.name, f"{why}\n{shown}")


def _shown(rule: Object) -> str:
    parts = (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    )
    texts = [f"{title}:[{', '.join(map(refusing.quoted, rule[key]))}]" for title, key in parts if rule.get(key)]
    return f"{{{', '.join(texts)}}}"
