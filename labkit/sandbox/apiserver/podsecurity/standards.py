"""The standards: their checks in order, each since a minor version of Kubernetes."""

from collections.abc import Callable
from typing import NamedTuple

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.podsecurity import baseline, restricted
from labkit.sandbox.apiserver.podsecurity.levels import Level
from labkit.sandbox.apiserver.podsecurity.wording import Violation

Run = Callable[[Object, Object, int], Violation | None]
"""Called with a pod's metadata, its spec and the minor version of the standard."""


class Check(NamedTuple):
    """One check."""

    name: str
    run: Run
    since: int = 0
    instead_of: str = ""
    """The check of ``baseline`` that this one of ``restricted`` is stricter than."""


BASELINE = (
    Check("appArmorProfile", baseline.app_armor),
    Check("capabilities_baseline", baseline.capabilities),
    Check("hostNamespaces", baseline.host_namespaces),
    Check("hostPathVolumes", baseline.host_path_volumes),
    Check("hostPorts", baseline.host_ports),
    Check("hostProbesAndHostLifecycle", baseline.host_probes, since=34),
    Check("privileged", baseline.privileged),
    Check("procMount", baseline.proc_mount),
    Check("seLinuxOptions", baseline.selinux),
    Check("seccompProfile_baseline", baseline.seccomp, since=19),
    Check("sysctls", baseline.sysctls),
    Check("windowsHostProcess", baseline.windows_host_process),
)
RESTRICTED = (
    Check("allowPrivilegeEscalation", restricted.privilege_escalation, since=8),
    Check("capabilities_restricted", restricted.capabilities, since=22, instead_of="capabilities_baseline"),
    Check("procMount_restricted", baseline.masked_proc, since=35, instead_of="procMount"),
    Check("restrictedVolumes", restricted.volumes, instead_of="hostPathVolumes"),
    Check("runAsNonRoot", restricted.run_as_non_root),
    Check("runAsUser", restricted.run_as_user, since=23),
    Check("seccompProfile_restricted", restricted.seccomp, since=19, instead_of="seccompProfile_baseline"),
)


def violations(metadata: Object, spec: Object, level: Level) -> list[Violation]:
    """What keeps a pod from a level, in the order in which it is told."""
    if level.name == "privileged":
        return []
    strict = [c for c in RESTRICTED if level.name == "restricted" and level.minor >= c.since]
    replaced = {check.instead_of for check in strict}
    checks = [c for c in BASELINE if level.minor >= c.since and c.name not in replaced]
    results = (check.run(metadata, spec, level.minor) for check in [*checks, *strict])
    return [violation for violation in results if violation is not None]
