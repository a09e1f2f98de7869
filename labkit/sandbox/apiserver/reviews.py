"""Reviews: questions that are answered and never stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, tokens, writing
from labkit.sandbox.apiserver.authorization import Attributes, Authorizer
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.objects import validation
from labkit.sandbox.apiserver.objects.validation import Cause, causes, checks
from labkit.sandbox.apiserver.users import User

_CLEARED = ("namespace", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "uid", "selfLink")

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
        metadata = sent.get("metadata") or {}
        # What the server itself writes into the metadata of other objects.
        sent["metadata"] = {key: value for key, value in metadata.items() if key not in _CLEARED}
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
        _check(call, [*_attribute_problems(spec), *_metadata_problems(sent["metadata"])])
        return {**sent, "status": self._decided(call.user, spec)}

    def _access(self, call: Call, sent: Object) -> Object:
        spec = sent.get("spec") or {}
        problems = _attribute_problems(spec)
        if not spec.get("user") and not spec.get("groups"):
            text = 'Invalid value: "": at least one of user or group must be specified'
            problems.append(Cause("FieldValueInvalid", text, "spec.user"))
        problems += _metadata_problems(sent["metadata"], namespace=call.namespace)
        if call.namespace and spec.get("nonResourceAttributes"):
            detail = "disallowed on this kind of request"
            problems = [causes.wrong("spec.nonResourceAttributes", _path(spec["nonResourceAttributes"]), detail)]
        elif call.namespace:
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
        if not namespace:
            raise refusing.bad_request("no namespace on request")
        return {**sent, "metadata": {}, "spec": {}, "status": self._authorizer.rules(call.user, namespace)}


def _attributes(spec: Object) -> Attributes:
    if other := spec.get("nonResourceAttributes"):
        return Attributes(verb=other.get("verb", ""), path=other.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    return Attributes(
        **{key: asked.get(key, "") for key in ("verb", "group", "version", "resource", "namespace", "name")},
        subresource=asked.get("subresource", ""),
    )


def _attribute_problems(spec: Object) -> list[Cause]:
    asked, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if asked is None and other is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [causes.wrong("spec.resourceAttributes", None, detail)]
    if asked is not None and other is not None:
        detail = "cannot be specified in combination with resourceAttributes"
        return [causes.wrong("spec.nonResourceAttributes", _path(other), detail)]
    return [*_selector_problems(asked or {}, "spec.resourceAttributes")]


def _path(asked: Object) -> Object:
    """A path and verb as Go's struct prints them."""
    return {"Path": asked.get("path", ""), "Verb": asked.get("verb", "")}


def _selector_problems(asked: Object, path: str) -> Iterator[Cause]:
    for name in ("fieldSelector", "labelSelector"):
        selector, here = asked.get(name), f"{path}.{name}"
        if selector is None:
            continue
        raw, terms = selector.get("rawSelector"), selector.get("requirements") or []
        if raw and terms:
            yield causes.wrong(f"{here}.rawSelector", raw, "may not specified at the same time as requirements")
        elif not raw and not terms:
            detail = f"when {here} is specified, requirements or rawSelector is required"
            yield causes.required(f"{here}.requirements", detail)
        elif name == "labelSelector":
            for cause in checks.selector({"matchExpressions": terms}, here):
                yield cause._replace(field=cause.field.replace(".matchExpressions", ".requirements", 1))
        else:
            yield from _field_terms(terms, f"{here}.requirements")


def _field_terms(terms: Sequence[Object], path: str) -> Iterator[Cause]:
    for at, term in enumerate(terms):
        here, operator, values = f"{path}[{at}]", term.get("operator"), term.get("values")
        if not term.get("key"):
            yield causes.required(f"{here}.key", "must be specified")
        if operator in ("In", "NotIn") and not values:
            yield causes.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield causes.forbidden(f"{here}.values", detail)


def _metadata_problems(metadata: Object, *, namespace: str = "") -> list[Cause]:
    """A question has no name: nothing but the namespace that it was asked in."""
    ignored = {"creationTimestamp", "selfLink", "managedFields", "namespace"}
    if not {key for key, value in metadata.items() if value} - ignored:
        return []
    detail = "must be empty except for namespace" if namespace else "must be empty"
    return [causes.wrong("metadata", metadata, detail)]


def _check(call: Call, problems: list[Cause]) -> None:
    """422 for a review; a real server names no kind here."""
    if problems:
        raise validation.invalid(replace(call.served.schema, kind=""), "", problems)
