"""Checks of the standard ``restricted``, which come on top of those of ``baseline``."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.podsecurity import baseline, wording
from labkit.sandbox.apiserver.podsecurity.wording import Violation, containers, named, plural, quoted, secured

VOLUMES = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
"""Kinds of volumes that a pod may have."""


def privilege_escalation(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No process gains rights that its parent lacks."""
    names = [c["name"] for c in containers(spec) if secured(c).get("allowPrivilegeEscalation") is not False]
    if not names or _is_exempt(spec, minor):
        return None
    text = f"{named(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", text)


def capabilities(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No capabilities but the one for ports below 1024."""
    if _is_exempt(spec, minor):
        return None
    missing: list[str] = []
    adding: dict[str, set[str]] = {}
    for container in containers(spec):
        given = secured(container).get("capabilities") or {}
        if "ALL" not in (given.get("drop") or []):
            missing.append(container["name"])
        if more := set(given.get("add") or []) - {"NET_BIND_SERVICE"}:
            adding[container["name"]] = more
    details = []
    if missing:
        details.append(f'{named(missing)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        listed = quoted(sorted(set().union(*adding.values())))
        details.append(f"{named(list(adding))} must not include {listed} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No volumes that reach outside the cluster's own kinds."""
    bad = {
        volume["name"]: next((kind for kind in volume if kind != "name"), "unknown")
        for volume in spec.get("volumes") or []
        if not VOLUMES & volume.keys()
    }
    if not bad:
        return None
    kinds = sorted(set(bad.values()))
    verb, word = plural(len(bad), "uses", "use"), plural(len(kinds), "restricted volume type")
    text = f"{plural(len(bad), 'volume')} {quoted(bad)} {verb} {word} {quoted(kinds)}"
    return Violation("restricted volume types", text)


def run_as_non_root(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Containers say that they do not run as root."""
    if minor >= 35 and wording.has_own_users(spec):
        return None
    whole = secured(spec).get("runAsNonRoot")
    given = {c["name"]: secured(c).get("runAsNonRoot") for c in containers(spec)}
    wrong = [name for name, value in given.items() if value is False]
    if whole is False or wrong:
        text = f"{wording.setters(whole is False, wrong)} must not set securityContext.runAsNonRoot=false"
        return Violation("runAsNonRoot != true", text)
    silent = [name for name, value in given.items() if value is None]
    if whole or not silent:
        return None
    return Violation("runAsNonRoot != true", f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")


def run_as_user(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """User 0 is not asked for."""
    if minor >= 35 and wording.has_own_users(spec):
        return None
    of_pod = secured(spec).get("runAsUser") == 0
    names = [c["name"] for c in containers(spec) if secured(c).get("runAsUser") == 0]
    if not of_pod and not names:
        return None
    return Violation("runAsUser=0", f"{wording.setters(of_pod, names)} must not set runAsUser=0")


def seccomp(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Every container has a seccomp profile."""
    if _is_exempt(spec, minor):
        return None
    if (explicit := baseline.seccomp(metadata, spec, minor)) is not None:
        return explicit
    silent = [c["name"] for c in containers(spec) if secured(c).get("seccompProfile") is None]
    if secured(spec).get("seccompProfile") is not None or not silent:
        return None
    text = f'pod or {named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", text)


def _is_exempt(spec: Object, minor: int) -> bool:
    return minor >= 25 and wording.is_windows(spec)
