"""Reviews: questions that are answered and never stored."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, tokens, writing
from labkit.sandbox.apiserver.authorization import Attributes, Authorizer
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.objects import validation
from labkit.sandbox.apiserver.objects.validation import Cause
from labkit.sandbox.apiserver.users import User

Answer = Callable[[Call, Object], Object]


class Reviews:
    """Answers each kind of review."""

    def __init__(self, signer: tokens.Tokens, authorizer: Authorizer) -> None:
        self._signer, self._authorizer = signer, authorizer
        self._answers: Mapping[str, Answer] = {
            "TokenReview": self._token,
            "SelfSubjectReview": self._self,
            "SubjectAccessReview": self._access,
            "LocalSubjectAccessReview": self._access,
            "SelfSubjectAccessReview": self._own_access,
            "SelfSubjectRulesReview": self._rules,
        }

    def __repr__(self) -> str:
        return f"Reviews({', '.join(self._answers)})"

    def answer(self, call: Call) -> Object:
        """The review with its status."""
        sent = writing.body_object(call, call.served.schema)
        sent.setdefault("metadata", {})
        return self._answers[call.served.kind](call, sent)

    def _token(self, call: Call, sent: Object) -> Object:
        spec = sent.get("spec") or {}
        if not spec.get("token"):
            raise refusing.bad_request("token is required for TokenReview in authentication")
        try:
            user, audiences = self._signer.reviewed(spec["token"], spec.get("audiences") or [tokens.ISSUER])
        except tokens.RefusedTokenError as e:
            return {**sent, "status": {"user": {}, "error": str(e)}}
        status = {"authenticated": True, "user": user.info(), "audiences": audiences}
        return {**sent, "status": status}

    def _self(self, call: Call, sent: Object) -> Object:
        metadata = {**sent["metadata"], "creationTimestamp": timestamp()}
        return {**sent, "metadata": metadata, "status": {"userInfo": call.user.info()}}

    def _own_access(self, call: Call, sent: Object) -> Object:
        spec = sent.get("spec") or {}
        _check(call, _attribute_problems(spec))
        return {**sent, "status": self._decided(call.user, spec)}

    def _access(self, call: Call, sent: Object) -> Object:
        spec = sent.get("spec") or {}
        problems = _attribute_problems(spec)
        if not spec.get("user") and not spec.get("groups"):
            text = 'Invalid value: "": at least one of user or group must be specified'
            problems.append(Cause("FieldValueInvalid", text, "spec.user"))
        if call.namespace:
            namespace = (spec.get("resourceAttributes") or {}).get("namespace", "")
            sent["metadata"]["namespace"] = call.namespace
            if namespace != call.namespace:
                text = f'Invalid value: "{namespace}": must match metadata.namespace'
                problems.append(Cause("FieldValueInvalid", text, "spec.resourceAttributes.namespace"))
        _check(call, problems)
        user = User(
            name=spec.get("user", ""),
            groups=tuple(spec.get("groups") or ()),
            uid=spec.get("uid", ""),
            extra=spec.get("extra") or {},
        )
        return {**sent, "status": self._decided(user, spec)}

    def _decided(self, user: User, spec: Object) -> Object:
        decision = self._authorizer.decide(user, _attributes(spec))
        status: Object = {"allowed": decision.allowed}
        return status | ({"reason": decision.reason} if decision.reason else {})

    def _rules(self, call: Call, sent: Object) -> Object:
        namespace = (sent.get("spec") or {}).get("namespace", "")
        return {**sent, "spec": {}, "status": self._authorizer.rules(call.user, namespace)}


def _attributes(spec: Object) -> Attributes:
    if other := spec.get("nonResourceAttributes"):
        return Attributes(verb=other.get("verb", ""), path=other.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    return Attributes(
        **{key: asked.get(key, "") for key in ("verb", "group", "version", "resource", "namespace", "name")},
        subresource=asked.get("subresource", ""),
    )


def _attribute_problems(spec: Object) -> list[Cause]:
    if bool(spec.get("resourceAttributes")) != bool(spec.get("nonResourceAttributes")):
        return []
    text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    return [Cause("FieldValueInvalid", f"Invalid value: null: {text}", "spec.resourceAttributes")]


def _check(call: Call, problems: list[Cause]) -> None:
    """422 for a review; a real server names no kind here."""
    if problems:
        raise validation.invalid(replace(call.served.schema, kind=""), "", problems)
