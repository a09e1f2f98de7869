"""ValidatingAdmissionPolicies: refusals and warnings by rules in CEL, asked before any validating webhook."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels, refusing, users, webhooks
from labkit.sandbox.apiserver.authorization import Attributes, Authorizer
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects.cel import authorizers, engine, policies
from labkit.sandbox.apiserver.registry import Served

GROUP = webhooks.GROUP
POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"

CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, policies.INVALID: 422}


class NotConfiguredError(Exception):
    """A policy, or a binding of it, cannot be asked as it stands; its ``failurePolicy`` decides."""


class _Verdict(NamedTuple):
    """What one binding of a policy has against a write."""

    policy: str
    binding: str
    """Empty where the policy itself cannot be asked."""

    actions: tuple[str, ...]
    denial: policies.Denial

    def __str__(self) -> str:
        bound = f" with binding '{self.binding}'" if self.binding else ""
        return f"ValidatingAdmissionPolicy '{self.policy}'{bound}"


class AdmissionPolicies:
    """Evaluates the stored policies on a write."""

    def __init__(self, core: Core, authorizer: Authorizer) -> None:
        self._core, self._authorizer = core, authorizer

    def __repr__(self) -> str:
        return f"AdmissionPolicies({len(list(self._core.store.table(POLICIES).items()))})"

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Refuse by the first validation that does not hold; warn where its binding only warns."""
        # A policy about policies could not be removed any more.
        if call.served.group == GROUP:
            return None
        authorizers.ASKED.set(lambda right: self._answer(call, right))
        verdicts = list(self._verdicts(call, new, old))
        for verdict in verdicts:
            if "Deny" in verdict.actions:
                raise _refusal(call, verdict)
        call.warnings += [
            f"Validation failed for {verdict}: {verdict.denial.message}"
            for verdict in verdicts
            if "Warn" in verdict.actions
        ]
        return None

    def _verdicts(self, call: Call, new: Object, old: Object | None) -> Iterator[_Verdict]:
        for item in self._core.store.table(POLICIES).items():
            policy = item.object
            bindings = [b.object for b in self._core.store.table(BINDINGS).items() if _is_of(b.object, policy)]
            if not bindings or not self._is_meant(policy["spec"].get("matchConstraints") or {}, call, new, old):
                continue
            for verdict in self._of_policy(policy, bindings, call, new, old):
                if not (verdict.denial.is_error and policy["spec"].get("failurePolicy") == "Ignore"):
                    yield verdict

    def _of_policy(
        self, policy: Object, bindings: list[Object], call: Call, new: Object, old: Object | None
    ) -> Iterator[_Verdict]:
        name, spec = policy["metadata"]["name"], policy["spec"]
        try:
            kind = self._kind(spec.get("paramKind"))
        except NotConfiguredError as e:
            yield _Verdict(name, "", ("Deny",), policies.Denial(message=str(e), is_error=True))
            return
        for binding in bindings:
            own = binding["spec"]
            if own.get("matchResources") and not self._is_meant(own["matchResources"], call, new, old):
                continue
            actions = tuple(own.get("validationActions") or ())
            try:
                for params in self._params(kind, own.get("paramRef"), call):
                    question = policies.Question(spec=spec, inputs=self._inputs(call, new, old, params))
                    if question.is_meant():
                        for denial in question.denials():
                            yield _Verdict(name, binding["metadata"]["name"], actions, denial)
            except (NotConfiguredError, engine.EvaluationError) as e:
                denial = policies.Denial(message=str(e), is_error=True)
                yield _Verdict(name, binding["metadata"]["name"], actions, denial)

    def _is_meant(self, match: Object, call: Call, new: Object, old: Object | None) -> bool:
        rules, excluded = match.get("resourceRules") or [], match.get("excludeResourceRules") or []
        if rules and not any(_fits(rule, call) for rule in rules):
            return False
        if any(_fits(rule, call) for rule in excluded):
            return False
        return webhooks.is_selected(self._core, match, call, new, old)

    def _kind(self, reference: Object | None) -> Served | None:
        if reference is None:
            return None
        group, _, version = reference["apiVersion"].rpartition("/")
        for served in self._core.registry.of_version(group, version):
            if served.kind == reference["kind"]:
                return served
        place = f"'{reference['apiVersion']}, Kind={reference['kind']}'"
        raise NotConfiguredError(
            f"failed to configure policy: failed to find resource referenced by paramKind: {place}"
        )

    def _params(self, kind: Served | None, ref: Object | None, call: Call) -> list[Object | None]:
        """The objects that a binding's policy is asked with, one by one; a single None without parameters."""
        if kind is None or ref is None:
            return [None]
        namespace = (ref.get("namespace") or call.namespace) if kind.namespaced else ""
        if name := ref.get("name"):
            one = self._core.peek(kind.key, namespace, name)
            objects = [one] if one is not None else []
        else:
            items = [item.object for item in self._core.store.table(kind.key).items(namespace)]
            objects = [obj for obj in items if labels.matches(ref.get("selector") or {}, _labels(obj))]
        if not objects and ref.get("parameterNotFoundAction") == "Deny":
            raise NotConfiguredError(
                "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
            )
        return list(objects)

    def _inputs(self, call: Call, new: Object, old: Object | None, params: Object | None) -> Mapping[str, Any]:
        request = webhooks.review(call, new, old)["request"]
        is_inside = call.served.namespaced and call.namespace
        return {
            "object": request.pop("object"),
            "oldObject": request.pop("oldObject"),
            "request": request,
            "params": params,
            "namespaceObject": self._core.peek("/namespaces", "", call.namespace) if is_inside else None,
            "authorizer": authorizers.authorizer(),
            "authorizer.requestResource": authorizers.resource(
                group=call.served.group,
                resource=call.served.plural,
                subresource=call.subresource,
                namespace=call.namespace,
                name=call.name,
            ),
        }

    def _answer(self, call: Call, right: authorizers.Right) -> authorizers.Answer:
        user = call.user
        if right.account:
            namespace, _, name = right.account.partition("/")
            user = users.service_account(namespace, name, uid="", extra={})
        facts = {key: value for key, value in right._asdict().items() if key != "account"}
        decision = self._authorizer.decide(user, Attributes(**facts))
        return authorizers.Answer(decision.allowed, decision.reason)


def _is_of(binding: Object, policy: Object) -> bool:
    return bool(binding["spec"].get("policyName") == policy["metadata"]["name"])


def _fits(rule: Object, call: Call) -> bool:
    names = rule.get("resourceNames") or []
    return webhooks.fits(rule, call) and (not names or call.name in names)


def _labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _refusal(call: Call, verdict: _Verdict) -> status.StatusError:
    served, reason = call.served, verdict.denial.reason
    text = f"{verdict} denied request: {verdict.denial.message}"
    subject = refusing.qualified(served.group, served.plural)
    shown = f'{subject} "{call.name}"' if call.name else subject
    details = refusing.details(call.name, served.group, served.plural) | {"causes": [{"message": text}]}
    return refusing.refusal(CODES[reason], reason, f"{shown} is forbidden: {text}", details)
