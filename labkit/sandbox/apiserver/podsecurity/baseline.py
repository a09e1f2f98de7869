"""Checks of the standard ``baseline``. Each gives what violates it, or None."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.podsecurity import wording
from labkit.sandbox.apiserver.podsecurity.wording import Violation, containers, named, plural, quoted, secured

CAPABILITIES = frozenset(
    ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP")
) | frozenset(("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"))
"""Those that containers have by default."""

SYSCTLS = (
    (0, "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem net.ipv4.tcp_wmem"),
)
"""Safe ones, each since a minor version."""

SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
PROFILES = ("RuntimeDefault", "Localhost")


def app_armor(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """AppArmor is not turned off."""
    values: set[str] = set()

    def is_bad(one: Object) -> bool:
        kind = (secured(one).get("appArmorProfile") or {}).get("type")
        if kind is not None and kind not in PROFILES:
            values.add(kind)
            return True
        return False

    of_pod = is_bad(spec)
    names = [c["name"] for c in containers(spec) if is_bad(c)]
    notes = sorted(
        f'{key}="{value}"'
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(APPARMOR) and value and value != "runtime/default" and not value.startswith("localhost/")
    )
    who = wording.setters(of_pod, names)
    if notes:
        who = " and ".join(filter(None, [who, plural(len(notes), "annotation")]))
    told = [*sorted(values), *notes]
    reason = plural(len(told), "forbidden AppArmor profile")
    return Violation(reason, f"{who} must not set AppArmor profile type to {quoted(told)}") if told else None


def capabilities(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No capabilities beyond the default ones."""
    added = {c["name"]: set((secured(c).get("capabilities") or {}).get("add") or []) for c in containers(spec)}
    bad = {name: more for name, have in added.items() if (more := have - CAPABILITIES)}
    if not bad:
        return None
    listed = quoted(sorted(set().union(*bad.values())))
    return Violation(
        "non-default capabilities", f"{named(list(bad))} must not include {listed} in securityContext.capabilities.add"
    )


def host_namespaces(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Nothing of the node's own namespaces."""
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No folders of the node."""
    names = [volume["name"] for volume in spec.get("volumes") or [] if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{plural(len(names), 'volume')} {quoted(names)}") if names else None


def host_ports(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No ports of the node."""
    taken = {
        c["name"]: {str(p["hostPort"]) for p in c.get("ports") or [] if p.get("hostPort")} for c in containers(spec)
    }
    bad = {name: ports for name, ports in taken.items() if ports}
    if not bad:
        return None
    numbers = sorted(set().union(*bad.values()))
    verb, word = plural(len(bad), "uses", "use"), plural(len(numbers), "hostPort")
    return Violation("hostPort", f"{named(list(bad))} {verb} {word} {', '.join(numbers)}")


def host_probes(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Probes and lifecycle hooks call the pod itself."""
    bad = {c["name"]: hosts for c in containers(spec) if (hosts := _called(c))}
    if not bad:
        return None
    called = sorted(set().union(*bad.values()))
    verb, word = plural(len(bad), "uses", "use"), plural(len(called), "probe or lifecycle host")
    return Violation("probe or lifecycle host", f"{named(sorted(bad))} {verb} {word} {quoted(called)}")


def _called(container: Object) -> set[str]:
    handlers = [container.get(name) or {} for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    lifecycle = container.get("lifecycle") or {}
    handlers += [lifecycle.get(name) or {} for name in ("postStart", "preStop")]
    hosts = {(handler.get(kind) or {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket")}
    return {host for host in hosts if host}


def privileged(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No privileged containers."""
    names = [c["name"] for c in containers(spec) if secured(c).get("privileged")]
    return Violation("privileged", f"{named(names)} must not set securityContext.privileged=true") if names else None


def proc_mount(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """``/proc`` as every container has it; a pod with users of its own may see more."""
    return None if minor >= 35 and wording.has_own_users(spec) else masked_proc(metadata, spec, minor)


def masked_proc(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """``/proc`` as every container has it."""
    bad = {c["name"]: kind for c in containers(spec) if (kind := secured(c).get("procMount")) not in (None, "Default")}
    listed = quoted(sorted(set(bad.values())))
    text = f"{named(list(bad))} must not set securityContext.procMount to {listed}"
    return Violation("procMount", text) if bad else None


def selinux(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """SELinux types of containers, and no users or roles."""
    allowed = (*SELINUX_TYPES, *(["container_engine_t"] if minor >= 31 else []))
    types: set[str] = set()
    also: set[str] = set()

    def is_bad(one: Object) -> bool:
        options = secured(one).get("seLinuxOptions") or {}
        kind = options.get("type") or ""
        wrong = {kind} if kind not in allowed else set()
        named_too = {word for word in ("user", "role") if options.get(word)}
        types.update(wrong)
        also.update(named_too)
        return bool(wrong or named_too)

    of_pod = is_bad(spec)
    names = [c["name"] for c in containers(spec) if is_bad(c)]
    if not of_pod and not names:
        return None
    data = [f"{plural(len(types), 'type')} {quoted(sorted(types))}"] if types else []
    data += [f"{word} may not be set" for word in ("user", "role") if word in also]
    who = wording.setters(of_pod, names)
    return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def seccomp(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Seccomp is not turned off."""
    values: set[str] = set()

    def is_bad(one: Object) -> bool:
        kind = (secured(one).get("seccompProfile") or {}).get("type")
        if kind is not None and kind not in PROFILES:
            values.add(kind)
            return True
        return False

    of_pod = is_bad(spec)
    names = [c["name"] for c in containers(spec) if is_bad(c)]
    text = f"{wording.setters(of_pod, names)} must not set securityContext.seccompProfile.type to"
    return Violation("seccompProfile", f"{text} {quoted(sorted(values))}") if values else None


def sysctls(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """Safe kernel parameters only."""
    allowed = {name for since, names in SYSCTLS if minor >= since for name in names.split()}
    names = [one["name"] for one in secured(spec).get("sysctls") or [] if one["name"] not in allowed]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


def windows_host_process(metadata: Object, spec: Object, minor: int) -> Violation | None:
    """No processes of a Windows host."""

    def is_bad(one: Object) -> bool:
        return bool((secured(one).get("windowsOptions") or {}).get("hostProcess"))

    of_pod, names = is_bad(spec), [c["name"] for c in containers(spec) if is_bad(c)]
    text = f"{wording.setters(of_pod, names)} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", text) if of_pod or names else None
