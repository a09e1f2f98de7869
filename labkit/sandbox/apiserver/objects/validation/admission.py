"""Rules for admission policies in CEL and their bindings."""

import re
from collections.abc import Callable, Iterator, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import declared, engine
from labkit.sandbox.apiserver.objects.cel.declared import Schema
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.extensions import match_condition, rule, webhooks

ACTIONS = ("Audit", "Deny", "Warn")
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")

NOTHING = "validations or auditAnnotations must contain at least one item"
TWICE = (
    "must not contain both Deny and Warn "
    "(repeating the same validation failure information in the API response and headers serves no purpose)"
)
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)


_NAMES: Schema = {"type": "array", "items": {"type": "string"}}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_ANY: Schema = {"x-kubernetes-int-or-string": True}


def _texts(*fields: str) -> dict[str, Schema]:
    return {key: {"type": "string"} for key in fields}


def _struct(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties}


_KIND, _RESOURCE = (_struct(_texts("group", "version", last)) for last in ("kind", "resource"))
_USER = _struct({**_texts("username", "uid"), "groups": _NAMES, "extra": _ANY})
REQUEST = _struct(
    {
        **_texts("subResource", "requestSubResource", "name", "namespace", "operation"),
        **{"kind": _KIND, "requestKind": _KIND, "resource": _RESOURCE, "requestResource": _RESOURCE},
        **{"userInfo": _USER, "dryRun": {"type": "boolean"}, "options": _ANY},
    }
)
"""What an expression sees of a request."""

NAMESPACE = _struct(
    {
        "metadata": _struct(
            {
                **_texts("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"),
                **{"labels": _TEXTS, "annotations": _TEXTS, "finalizers": _NAMES, "generation": {"type": "integer"}},
                "creationTimestamp": {"type": "string", "format": "date-time"},
                "deletionTimestamp": {"type": "string", "format": "date-time"},
                "deletionGracePeriodSeconds": {"type": "integer"},
            }
        ),
        "spec": _struct({"finalizers": _NAMES}),
        "status": _struct({"phase": {"type": "string"}}),
    }
)
"""What it sees of the namespace."""

_OF_TYPE: Mapping[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "double": {"type": "number"},
}


class _Expressions:
    """Compiles what a policy says, in the order in which it is read: a variable sees those above it."""

    def __init__(self, spec: Object) -> None:
        self._has_params = bool(spec.get("paramKind"))
        self._declare({})

    def _declare(self, variables: dict[str, Schema]) -> None:
        """Know the variables that have been read so far."""
        self._variables, schema = variables, _struct(variables)
        self._types = declared.declared(_struct({"request": REQUEST, "space": NAMESPACE, "variables": schema}))
        parts = {"request": REQUEST, "namespaceObject": NAMESPACE, "variables": schema}
        self._inputs: dict[str, declared.Kind] = {name: self._types.kind(part) for name, part in parts.items()}
        self._inputs |= dict.fromkeys(("object", "oldObject", *(["params"] if self._has_params else [])), "dyn")

    def add(self, name: str, expression: str) -> None:
        """A variable with its expression; one that does not compile may be anything."""
        try:
            kind = self._kind(expression, is_message=False)
        except engine.CompileError:
            kind = "dyn"
        self._declare({**self._variables, name: _OF_TYPE.get(kind, _ANY)})

    def problems(
        self, expression: str, path: str, *, kinds: tuple[str, ...] = (), is_message: bool = False
    ) -> Iterator[Cause]:
        """What is wrong with an expression that must have one of these types."""
        if not expression.strip():
            yield causes.required(path, f"{path.rpartition('.')[2]} is not specified")
            return
        try:
            name = self._kind(expression, is_message=is_message)
        except engine.CompileError as e:
            yield causes.wrong(path, expression, str(e))
            return
        if kinds and name not in kinds:
            yield causes.wrong(path, expression, f"must evaluate to {' or '.join(kinds)} but got {name}")

    def _kind(self, expression: str, *, is_message: bool) -> str:
        rights: dict[str, declared.Kind] = {"authorizer": "authorizer", "authorizer.requestResource": "resourcecheck"}
        return engine.check(expression, self._inputs | ({} if is_message else rights), self._types)


def _policy(policy: Object) -> Iterator[Cause]:
    spec = policy.get("spec") or {}
    yield from checks.one_of("Fail", "Ignore", optional=False)(spec.get("failurePolicy"), "spec.failurePolicy")
    if spec.get("paramKind") is not None:
        yield from _param_kind(spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        yield causes.required("spec.matchConstraints")
    else:
        yield from _match(match, "spec.matchConstraints")
        yield from checks.needed()(match.get("resourceRules"), "spec.matchConstraints.resourceRules")
    expressions = _Expressions(spec)
    seen: set[str] = set()
    for at, condition in enumerate(spec.get("matchConditions") or ()):
        path = f"spec.matchConditions[{at}]"
        complaints = list(match_condition(condition, seen, path))
        yield from complaints
        if not complaints:
            yield from expressions.problems(condition["expression"], f"{path}.expression", kinds=("bool",))
    for at, variable in enumerate(spec.get("variables") or ()):
        yield from _variable(variable, expressions, f"spec.variables[{at}]")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        yield causes.required("spec.validations", NOTHING)
        yield causes.required("spec.auditAnnotations", NOTHING)
    for at, validation in enumerate(spec.get("validations") or ()):
        yield from _validation(validation, expressions, f"spec.validations[{at}]")
    for at, annotation in enumerate(spec.get("auditAnnotations") or ()):
        path, key = f"spec.auditAnnotations[{at}]", annotation.get("key") or ""
        for problem in names.qualified(f"{policy['metadata'].get('name')}/{key}"):
            yield causes.wrong(f"{path}.key", f"{policy['metadata'].get('name')}/{key}", problem)
        yield from expressions.problems(
            annotation.get("valueExpression") or "", f"{path}.valueExpression", kinds=("string", "null_type")
        )


def _param_kind(kind: Object, path: str) -> Iterator[Cause]:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    group, _, short = version.rpartition("/")
    if not version:
        yield causes.required(f"{path}.apiVersion")
    elif version.count("/") > 1:
        yield causes.wrong(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        for problem in names.subdomain(group) if group else ():
            yield causes.wrong(f"{path}.apiVersion", group, problem)
        for problem in names.label_1035(short):
            yield causes.wrong(f"{path}.apiVersion", short, problem)
    if not name:
        yield causes.required(f"{path}.kind")
    elif problems := names.label_1035(name.lower()):
        yield causes.wrong(f"{path}.kind", name, names.MIXED_CASE + ",".join(problems))


def _variable(variable: Object, expressions: _Expressions, path: str) -> Iterator[Cause]:
    name = variable.get("name") or ""
    if not name:
        yield causes.required(f"{path}.name", "name is not specified")
    elif not _IDENTIFIER.fullmatch(name):
        yield causes.wrong(f"{path}.name", name, "must be a valid CEL identifier")
    yield from expressions.problems(variable.get("expression") or "", f"{path}.expression")
    expressions.add(name, variable.get("expression") or "")


def _validation(validation: Object, expressions: _Expressions, path: str) -> Iterator[Cause]:
    expression, message = (validation.get("expression") or "").strip(), validation.get("message") or ""
    yield from expressions.problems(validation.get("expression") or "", f"{path}.expression", kinds=("bool",))
    if validation.get("messageExpression"):
        of = f"{path}.messageExpression"
        yield from expressions.problems(validation["messageExpression"], of, kinds=("string",), is_message=True)
    if message and not message.strip():
        yield causes.wrong(f"{path}.message", message, "must be non-empty if specified")
    elif "\n" in message.strip():
        yield causes.wrong(f"{path}.message", message, "must not contain line breaks")
    elif "\n" in expression and not message.strip():
        yield causes.required(f"{path}.message", "message must be specified if expression contains line breaks")
    yield from checks.word(*REASONS)(validation.get("reason"), f"{path}.reason")


def _match(match: Object, path: str) -> Iterator[Cause]:
    yield from checks.one_of("Equivalent", "Exact")(match.get("matchPolicy"), f"{path}.matchPolicy")
    for name in ("namespaceSelector", "objectSelector"):
        yield from checks.selector(match.get(name), f"{path}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for at, one in enumerate(match.get(name) or ()):
            yield from rule(one, f"{path}.{name}[{at}]")


def _binding(binding: Object) -> Iterator[Cause]:
    spec = binding.get("spec") or {}
    yield from checks.needed()(spec.get("policyName"), "spec.policyName")
    yield from checks.form(names.subdomain)(spec.get("policyName"), "spec.policyName")
    if spec.get("paramRef") is not None:
        yield from _parameters(spec["paramRef"], "spec.paramRef")
    if spec.get("matchResources"):
        yield from _match(spec["matchResources"], "spec.matchResources")
    actions = spec.get("validationActions") or []
    if not actions:
        yield causes.required("spec.validationActions", "at least one validation action is required")
    for at, action in enumerate(actions):
        if action not in ACTIONS:
            yield causes.unsupported(f"spec.validationActions[{at}]", action, ACTIONS)
        elif action in actions[:at]:
            yield causes.duplicate(f"spec.validationActions[{at}]", action)
    if {"Deny", "Warn"} <= set(actions):
        yield causes.wrong("spec.validationActions", actions, TWICE)


def _parameters(ref: Object, path: str) -> Iterator[Cause]:
    if ref.get("name"):
        for problem in names.path_segment(ref["name"]):
            yield causes.wrong(f"{path}.name", ref["name"], problem)
        if ref.get("selector") is not None:
            for field in ("name", "selector"):
                yield causes.forbidden(f"{path}.{field}", "name and selector are mutually exclusive")
    elif ref.get("selector") is None:
        yield causes.required(path, "one of name or selector must be specified")
    if not ref.get("parameterNotFoundAction"):
        yield causes.required(f"{path}.parameterNotFoundAction")
    else:
        yield from checks.one_of("Allow", "Deny")(ref["parameterNotFoundAction"], f"{path}.parameterNotFoundAction")


def _webhooks(configuration: Object) -> Iterator[Cause]:
    yield from webhooks(configuration)
    expressions = _Expressions({})
    for at, hook in enumerate(configuration.get("webhooks") or ()):
        for place, condition in enumerate(hook.get("matchConditions") or ()):
            path = f"webhooks[{at}].matchConditions[{place}].expression"
            if (condition.get("expression") or "").strip():
                yield from expressions.problems(condition["expression"], path, kinds=("bool",))


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "admissionregistration.k8s.io/MutatingWebhookConfiguration": _webhooks,
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration": _webhooks,
    "admissionregistration.k8s.io/ValidatingAdmissionPolicy": _policy,
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding": _binding,
}
