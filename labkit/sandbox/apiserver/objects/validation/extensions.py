"""Rules for webhooks and aggregated APIs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, names
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import each, needed, one_of

_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_REVIEWS = ("v1", "v1beta1")

_WEBHOOK: Mapping[str, tuple[checks.Check, ...]] = {
    "failurePolicy": (one_of("Fail", "Ignore"),),
    "matchPolicy": (one_of("Equivalent", "Exact"),),
    "namespaceSelector": (checks.selector,),
    "objectSelector": (checks.selector,),
}

FIELDS: Mapping[str, Mapping[str, tuple[checks.Check, ...]]] = {
    "MutatingWebhook": {**_WEBHOOK, "reinvocationPolicy": (one_of("Never", "IfNeeded"),)},
    "ValidatingWebhook": _WEBHOOK,
    "RuleWithOperations": {"operations": (each(one_of(*_OPERATIONS, optional=False)),)},
}


def _webhook(hook: Object, path: str) -> Iterator[Cause]:
    name = hook.get("name") or ""
    problems = names.subdomain(name) if name else []
    if not name:
        yield causes.required(f"{path}.name")
    for problem in problems:
        yield causes.wrong(f"{path}.name", name, problem)
    if name and not problems and name.count(".") < 2:
        detail = "should be a domain with at least three segments separated by dots"
        yield causes.wrong(f"{path}.name", name, detail)
    versions = hook.get("admissionReviewVersions") or []
    if not versions:
        yield causes.required(f"{path}.admissionReviewVersions", f"must specify one of {', '.join(_REVIEWS)}")
    for at, version in enumerate(versions):
        here = f"{path}.admissionReviewVersions[{at}]"
        for problem in names.label_1035(version):
            yield causes.wrong(here, version, problem)
        if version in versions[:at]:
            yield causes.wrong(here, version, "duplicate version")
    if versions and not set(versions) & set(_REVIEWS):
        detail = f"must include at least one of {', '.join(_REVIEWS)}"
        yield causes.wrong(f"{path}.admissionReviewVersions", versions, detail)
    effects = hook.get("sideEffects")
    if effects is None:
        yield causes.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    else:
        yield from one_of("None", "NoneOnDryRun")(effects, f"{path}.sideEffects")
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        yield causes.wrong(f"{path}.timeoutSeconds", timeout, detail)
    seen: set[str] = set()
    for at, condition in enumerate(hook.get("matchConditions") or ()):
        yield from match_condition(condition, seen, f"{path}.matchConditions[{at}]")
    yield from client(hook.get("clientConfig") or {}, f"{path}.clientConfig")


def match_condition(condition: Object, seen: set[str], path: str) -> Iterator[Cause]:
    """One of the conditions of a webhook or of a policy; ``seen`` has the names before it."""
    name, expression = condition.get("name") or "", (condition.get("expression") or "").strip()
    yield from needed()(expression, f"{path}.expression")
    if not name:
        yield causes.required(f"{path}.name")
    for problem in names.qualified(name) if name else ():
        yield causes.wrong(f"{path}.name", name, problem)
    if name in seen:
        yield causes.duplicate(f"{path}.name", name)
    seen.add(name)


def webhooks(configuration: Object) -> Iterator[Cause]:
    """What is wrong with the webhooks of a configuration, taken together."""
    seen: set[str] = set()
    for at, hook in enumerate(configuration.get("webhooks") or ()):
        name = hook.get("name") or ""
        if name in seen:
            yield causes.duplicate(f"webhooks[{at}].name", name)
        seen.add(name)


def client(config: Object, path: str) -> Iterator[Cause]:
    """How a webhook is reached."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield causes.required(path, "exactly one of url or service is required")
    elif url is not None:
        parts = urlsplit(url)
        form = "desired format: https://host[/path]"
        if parts.scheme != "https":
            yield causes.wrong(f"{path}.url", parts.scheme, f"'https' is the only allowed URL scheme; {form}")
        if not parts.hostname:
            yield causes.wrong(f"{path}.url", parts.netloc, f"host must be specified; {form}")
    else:
        for field in ("name", "namespace"):
            if not (service or {}).get(field):
                yield causes.required(f"{path}.service.{field}", f"service {field} is required")
        yield from _service_path((service or {}).get("path"), f"{path}.service.path")
        port = (service or {}).get("port")
        if port is not None and not 1 <= port <= 65535:
            detail = "port is not valid: must be between 1 and 65535, inclusive"
            yield causes.wrong(f"{path}.service.port", port, detail)


def _service_path(text: str | None, path: str) -> Iterator[Cause]:
    if text is None:
        return
    if text and not text.startswith("/"):
        yield causes.wrong(path, text, "must start with a '/'")
    segments = text[1:].removesuffix("/").split("/") if text not in ("", "/") else []
    if text.startswith("/") and "" in segments:
        yield causes.wrong(path, text, f"segment[{segments.index('')}] may not be empty")
        return
    for at, segment in enumerate(segments):
        for problem in names.subdomain(segment):
            yield causes.wrong(path, text, f"segment[{at}]: {problem}")


def rule(rule: Object, path: str) -> Iterator[Cause]:
    """Which operations on which resources a webhook or a policy is asked about."""
    for field in ("apiGroups", "apiVersions", "resources", "operations"):
        if not rule.get(field):
            yield causes.required(f"{path}.{field}")
    yield from one_of("*", "Cluster", "Namespaced")(rule.get("scope"), f"{path}.scope")


STRUCTS: Mapping[str, Callable[[Any, str], Iterator[Cause]]] = {
    "MutatingWebhook": _webhook,
    "ValidatingWebhook": _webhook,
    "RuleWithOperations": rule,
}


def _api_service(service: Object) -> Iterator[Cause]:
    spec, name = service["spec"], service["metadata"].get("name")
    expected = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if name != expected:
        detail = f'must be `spec.version+"."+spec.group`: "{expected}"'
        yield causes.wrong("metadata.name", name, detail)


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "apiregistration.k8s.io/APIService": _api_service,
}
