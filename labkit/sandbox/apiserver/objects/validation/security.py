"""Rules for security contexts of pods and containers."""

import re
from collections.abc import Iterator
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.validation import causes, checks, gonames, volumes
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import between, form, needed

_ID = between(0, checks.INT32)
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_LONGEST_SYSCTL = 253


def _sysctl(text: str) -> list[str]:
    is_fine = len(text) <= _LONGEST_SYSCTL and re.match(_SYSCTL, text)
    return [] if is_fine else [f"must have at most {_LONGEST_SYSCTL} characters and match regex {_SYSCTL}"]


def of_pod(spec: Object, path: str) -> Iterator[Cause]:
    """``securityContext`` of a pod."""
    context: Object = spec.get("securityContext") or {}
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from _ID(context.get(field), f"{path}.{field}")
    for at, group in enumerate(context.get("supplementalGroups") or ()):
        yield from _ID(group, f"{path}.supplementalGroups[{at}]")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield causes.wrong(f"{path}.shareProcessNamespace", True, detail)
    yield from _sysctls(context.get("sysctls") or (), spec, f"{path}.sysctls")
    yield from _word(context, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), path)
    yield from _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    yield from _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")
    yield from _word(context, "supplementalGroupsPolicy", ("Merge", "Strict"), path)
    yield from _word(context, "seLinuxChangePolicy", ("MountOption", "Recursive"), path)


def of_container(context: Object | None, path: str, *, is_host_user: bool) -> Iterator[Cause]:
    """``securityContext`` of a container."""
    if context is None:
        return
    for field in ("runAsUser", "runAsGroup"):
        yield from _ID(context.get(field), f"{path}.{field}")
    yield from _word(context, "procMount", ("Default", "Unmasked"), path)
    if is_host_user and context.get("procMount") == "Unmasked":
        yield causes.wrong(f"{path}.procMount", "Unmasked", "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        shown = gonames.internal("SecurityContext", context)
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield causes.wrong(path, shown, detail)
        for capability in (context.get("capabilities") or {}).get("add") or ():
            if capability == "CAP_SYS_ADMIN":
                detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
                yield causes.wrong(path, shown, detail)
    yield from _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _word(context: Object, field: str, supported: tuple[str, ...], path: str) -> Iterator[Cause]:
    value = context.get(field)
    if value is not None and value not in supported:
        yield causes.unsupported(f"{path}.{field}", value, supported)


def _sysctls(sysctls: Any, spec: Object, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for at, sysctl in enumerate(sysctls):
        here, name = f"{path}[{at}].name", sysctl.get("name") or ""
        yield from needed()(name, here)
        yield from form(_sysctl)(name, here)
        if name in seen:
            yield causes.duplicate(here, name)
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            yield causes.wrong(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and dotted.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")):
            yield causes.wrong(here, name, "may not be specified when 'hostIPC' is true")


def _seccomp(profile: Object | None, path: str) -> Iterator[Cause]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        yield causes.required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield causes.unsupported(f"{path}.type", kind, _PROFILES)
    if kind != "Localhost":
        if local is not None:
            shown = gonames.internal("SeccompProfile", profile)
            yield causes.wrong(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost")
    elif local is None:
        yield causes.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
    else:
        yield from volumes.relative(local, f"{path}.localhostProfile")


def _app_armor(profile: Object | None, path: str) -> Iterator[Cause]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if kind == "Localhost":
        if not local:
            yield causes.required(here, "must be set when AppArmor type is Localhost")
        elif local != local.strip():
            yield causes.wrong(here, local, "must not be padded with whitespace")
    elif kind in _PROFILES:
        if local is not None:
            yield causes.wrong(here, local, "can only be set when AppArmor type is Localhost")
    elif not kind:
        yield causes.required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        yield causes.unsupported(f"{path}.type", kind, _PROFILES)
