"""The plug-in: refuses pods, warns of templates, and looks at what is there when a namespace becomes stricter."""

from collections.abc import Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import validation
from labkit.sandbox.apiserver.objects.validation import Cause
from labkit.sandbox.apiserver.podsecurity import levels, standards
from labkit.sandbox.apiserver.podsecurity.levels import Level, Policy

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "/podtemplates": ("template",),
    "/replicationcontrollers": ("spec", "template"),
    "apps/replicasets": ("spec", "template"),
    "apps/deployments": ("spec", "template"),
    "apps/statefulsets": ("spec", "template"),
    "apps/daemonsets": ("spec", "template"),
    "batch/jobs": ("spec", "template"),
    "batch/cronjobs": ("spec", "jobTemplate", "spec", "template"),
}
"""Where kinds that make pods keep their template."""


class PodSecurity:
    """Holds pods, templates and namespaces against the standards."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Refuse, or warn; ``new`` is empty when an object is deleted."""
        key = call.served.key
        if not new or (call.subresource and call.subresource != "ephemeralcontainers"):
            return None
        if key == "/namespaces":
            self._check_namespace(call, new, old)
        elif key == "/pods":
            if old is None or _images(new) != _images(old):
                self._check_pod(call, new, self._policy(call.namespace))
        elif key in TEMPLATES:
            template = _at(new, TEMPLATES[key])
            if template:
                self._warn(call, template.get("metadata") or {}, template["spec"], self._policy(call.namespace).warn)
        return None

    def _policy(self, namespace: str) -> Policy:
        stored = self._core.peek("/namespaces", "", namespace) or {"metadata": {}}
        return levels.policy_of(stored["metadata"].get("labels") or {})

    def _check_pod(self, call: Call, pod: Object, policy: Policy) -> None:
        violations = standards.violations(pod["metadata"], pod["spec"], policy.enforce)
        if violations:
            why = f'violates PodSecurity "{policy.enforce}": {", ".join(map(str, violations))}'
            raise refusing.forbidden("", "pods", call.name, why)
        self._warn(call, pod["metadata"], pod["spec"], policy.warn)

    def _warn(self, call: Call, metadata: Object, spec: Object, level: Level) -> None:
        violations = standards.violations(metadata, spec, level)
        if violations:
            call.warnings.append(f'would violate PodSecurity "{level}": {", ".join(map(str, violations))}')

    def _check_namespace(self, call: Call, new: Object, old: Object | None) -> None:
        policy = levels.policy_of(new["metadata"].get("labels") or {})
        before = levels.policy_of(((old or {}).get("metadata") or {}).get("labels") or {})
        if policy.problems and policy.problems != before.problems:
            invalid = [
                Cause(
                    "FieldValueInvalid",
                    f"Invalid value: {refusing.quoted(p.value)}: {p.text}",
                    f"metadata.labels[{p.label}]",
                )
                for p in policy.problems
            ]
            raise validation.invalid(call.served.schema, call.name, invalid)
        enforce = policy.enforce
        is_looser = enforce.minor == before.enforce.minor and enforce.rank <= before.enforce.rank
        if old is None or enforce == before.enforce or enforce.rank == 0 or is_looser:
            return
        call.warnings += self._existing(call.name, enforce)

    def _existing(self, namespace: str, level: Level) -> list[str]:
        """What is there already and would be refused from now on, alike pods together."""
        pods: dict[str, list[str]] = {}
        for item in self._core.store.table("/pods").items(namespace):
            metadata = item.object["metadata"]
            violations = standards.violations(metadata, item.object["spec"], level)
            if violations:
                pods.setdefault(", ".join(v.reason for v in violations), []).append(metadata["name"])
        if not pods:
            return []
        head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
        return [head, *sorted(f"{_counted(sorted(names))}: {text}" for text, names in pods.items())]


def _counted(names: list[str]) -> str:
    more = len(names) - 1
    return names[0] if not more else f"{names[0]} (and {more} other {'pod' if more == 1 else 'pods'})"


def _images(pod: Object) -> list[list[tuple[str, str]]]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [[(c["name"], c.get("image", "")) for c in pod["spec"].get(kind) or []] for kind in kinds]


def _at(obj: Object, path: tuple[str, ...]) -> Object | None:
    for part in path:
        obj = obj.get(part) or {}
    return obj or None
