"""Checks of this machine: rows 1 to 9, 21 and 22. Pure."""

import textwrap
from collections.abc import Mapping
from typing import Any

from labkit.base import versions
from labkit.clusters import engine as engines
from labkit.clusters import failures
from labkit.lab.doctor.facts import Facts
from labkit.lab.doctor.finding import Answer, Check, passed, skipped

GIB = 2**30
NOT_ASKED = "needed for --cluster kind alone"
HOSTED = frozenset({"binder", "jupyterhub"})
"""Environments in which a notebook's own container is all that a learner has."""

LOOPBACK = ("127.0.0.1", "localhost")


def engine(facts: Facts) -> Answer:
    """Whether Docker answers."""
    if not isinstance(facts.engine, str):
        name = facts.engine.get("OperatingSystem") or facts.engine.get("Name") or "Docker"
        return passed(f"{engines.program().capitalize()} {facts.engine.get('ServerVersion', '')} on {name}")
    if not facts.wants_kind:
        first = facts.engine.splitlines()[0]
        return skipped(f"{textwrap.shorten(first, 80, placeholder=' …')} ({NOT_ASKED})")
    step = failures.mend(facts.engine) or "start Docker"
    if "command not found" in facts.engine:
        step = f"install Docker (or podman: export {engines.PROVIDER}=podman); or ./lab up --cluster sandbox"
    if hosted := facts.environment & HOSTED:
        step = (
            f"./lab up --cluster sandbox, since {' and '.join(sorted(hosted))} lets nobody run containers of their own"
        )
    return "fail", facts.engine.splitlines()[0][:160], step


def memory(facts: Facts) -> Answer:
    """Whether the engine has room for a control plane, Istio and Bookinfo: about 2.5 GB."""
    info = _engine(facts)
    if info is None:
        return skipped(NOT_ASKED)
    room, cores = int(info["MemTotal"]) / GIB, int(info["NCPU"])
    seen = f"{room:.1f} GiB and {cores} CPUs for Docker"
    if room < 4 or cores < 2:
        return ("fail" if facts.wants_kind else "warn"), f"{seen}; a cluster needs 4 GiB and 2", _more_memory(facts)
    if room < 6 or cores < 4:
        return "warn", f"{seen}; with addons 6 GiB and 4 are better", _more_memory(facts)
    return passed(seen)


def _more_memory(facts: Facts) -> str:
    if "wsl" in facts.environment:
        return "%UserProfile%\\.wslconfig: [wsl2] memory=8GB processors=4, then wsl --shutdown"
    return "Docker Desktop: Settings, Resources, Memory 8 GB; colima start --cpu 4 --memory 8"


def disk(facts: Facts) -> Answer:
    """Whether the disk has room."""
    if facts.free_bytes is None:
        return skipped("cannot be told")
    free = facts.free_bytes / GIB
    least = 10.0 if facts.wants_kind else 0.5
    if free < least:
        step = (
            "docker system prune" if facts.wants_kind else "free some space, or put the lab elsewhere: LABKIT_HOME=DIR"
        )
        return "fail", f"{free:.1f} GiB free; {least:g} are needed", step
    return passed(f"{free:.0f} GiB free")


def cgroup(facts: Facts) -> Answer:
    """Whether the engine has cgroup v2, without which images of Kubernetes 1.35 and newer do not start."""
    info = _engine(facts)
    if info is None:
        return skipped(NOT_ASKED)
    version = str(info.get("CgroupVersion", ""))
    if version == "1":
        step = "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"
        if "wsl" in facts.environment:
            step = "%UserProfile%\\.wslconfig: [wsl2] kernelCommandLine = cgroup_no_v1=all, then wsl --shutdown"
        return ("fail" if facts.wants_kind else "warn"), "cgroup v1; Kubernetes 1.35 needs v2", step
    return passed(f"cgroup v{version or '2'}")


def inotify(facts: Facts) -> Answer:
    """Whether a user may have enough inotify instances: 128 are too few for kube-proxy, istiod and their kin."""
    if facts.inotify is None:
        return skipped("no /proc/sys/fs/inotify here: the limit is in the engine's virtual machine")
    instances, watches = facts.inotify
    seen = f"{instances} instances, {watches} watches"
    if instances < 256 or watches < 131072:
        step = f"{'on the host of this container: ' if 'container' in facts.environment else ''}{failures.INOTIFY}"
        return ("fail" if facts.wants_kind and instances < 128 else "warn"), f"{seen}; 512 and 524288 are safe", step
    return passed(seen)


def tools(facts: Facts) -> Answer:
    """Whether kind, kubectl and istioctl are there, in versions that go together."""
    there = {name: line for name, line in facts.tools.items() if line}
    seen = ", ".join(f"{name} {'.'.join(map(str, versions.parse(line)))}" for name, line in there.items()) or "none"
    missing = [name for name in ("kind", "istioctl") if name not in there]
    least = versions.pinned()["tools"]["kind"]["minimum"]
    if "kind" in there and versions.parse(there["kind"]) < versions.parse(least):
        return ("fail" if facts.wants_kind else "warn"), f"{seen}; kind {least} or newer", "./lab tools install kind"
    if missing and not facts.wants_kind:
        return skipped(f"{seen}; {' and '.join(missing)} are {NOT_ASKED}")
    if missing:
        return "fail", f"{seen}; missing: {', '.join(missing)}", f"./lab tools install {' '.join(missing)}"
    return passed(seen)


def ports(facts: Facts) -> Answer:
    """Whether the usual ports of 127.0.0.1 are free; others are taken where they are not."""
    if facts.is_created:
        return passed("taken by the lab's own kind cluster")
    if not facts.taken_ports:
        return passed("the usual ones are free")
    held = ", ".join(f"{port} by {holder}" for port, holder in facts.taken_ports.items())
    return passed(f"taken: {held}; the cluster gets the next free ones")


def registry(facts: Facts) -> Answer:
    """Whether Docker Hub answers."""
    if facts.registry.endswith("ok"):
        return passed("Docker Hub answers")
    if not facts.wants_kind:
        return skipped(f"Docker Hub: {facts.registry[:80]} ({NOT_ASKED})")
    return "warn", f"Docker Hub: {facts.registry[:120]}", "HTTPS_PROXY, docker login; or ./lab images load DIR"


def store(facts: Facts) -> Answer:
    """Which image store Docker has; the kit saves images for one platform, as containerd's needs it."""
    info = _engine(facts)
    if info is None:
        return skipped(NOT_ASKED)
    is_containerd = any("io.containerd.snapshotter" in str(entry) for entry in info.get("DriverStatus") or [])
    return passed("containerd's: images are saved by platform" if is_containerd else f"{info.get('Driver', 'classic')}")


def proxy(facts: Facts) -> Answer:
    """Whether a proxy would get requests that are for this machine."""
    names = {name.lower(): value for name, value in facts.proxies.items() if value}
    if not ({"http_proxy", "https_proxy", "all_proxy"} & names.keys()):
        return passed("no proxy is set")
    exempt = names.get("no_proxy", "")
    missing = [host for host in LOOPBACK if host not in exempt and exempt != "*"]
    if missing:
        return "warn", f"a proxy is set, and NO_PROXY lacks {', '.join(missing)}", f"export NO_PROXY={_with(exempt)}"
    return passed("a proxy is set, and loopback is exempt")


def _with(exempt: str) -> str:
    return ",".join(dict.fromkeys([*(part for part in exempt.split(",") if part), *LOOPBACK]))


def packages(facts: Facts) -> Answer:
    """Whether the notebooks' packages are those of this Python."""
    missing = [name for name, version in facts.packages.items() if not version]
    if missing:
        return (
            "fail",
            f"missing in {facts.python}: {', '.join(missing)}",
            "./lab up installs them; or pip install -r requirements.txt",
        )
    return passed(", ".join(f"{name} {version}" for name, version in facts.packages.items()))


def _engine(facts: Facts) -> Mapping[str, Any] | None:
    return None if isinstance(facts.engine, str) else facts.engine


CHECKS = (
    Check(id="engine", title="Container engine", judge=engine),
    Check(id="memory", title="Its memory and CPUs", judge=memory),
    Check(id="disk", title="Disk", judge=disk),
    Check(id="cgroup", title="Control groups", judge=cgroup),
    Check(id="inotify", title="inotify limits", judge=inotify),
    Check(id="tools", title="kind, istioctl, kubectl", judge=tools),
    Check(id="ports", title="Ports of 127.0.0.1", judge=ports),
    Check(id="registry", title="Image registry", judge=registry),
    Check(id="store", title="Image store", judge=store),
    Check(id="proxy", title="Proxies", judge=proxy),
    Check(id="packages", title="Notebook packages", judge=packages),
)
