"""Which context of a kubeconfig is meant: never its current one just because it is current."""

import ipaddress
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from labkit.base import errors
from labkit.kube import manifests

LOCAL_NAMES = re.compile(
    r"^(kind|k3d|minikube|docker-desktop|docker-for-desktop|rancher-desktop|colima|orbstack|labkit)\b"
)
"""Contexts that tools for clusters on a machine of one's own write."""

NEAR = tuple(
    ipaddress.ip_network(net)
    for net in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7")
)
"""Addresses of this machine and of private networks."""

CLOUD_NAMES = re.compile(r"^(gke_|arn:|aks-|do-|.*\.eksctl\.io$)|prod", re.IGNORECASE)
"""Contexts of managed clusters, and any that says production."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """One context of a kubeconfig."""

    name: str
    cluster: str
    user: str
    server: str
    """The URL of its API server; empty where the file has none."""

    @property
    def looks_like_a_lab(self) -> bool:
        """Whether its name or the address of its server says that it is somebody's own machine or network."""
        if LOCAL_NAMES.match(self.name):
            return True
        return not CLOUD_NAMES.search(self.name) and _is_near(urlsplit(self.server).hostname or "")


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in NEAR)


class KubeconfigError(errors.SetupError):
    """A kubeconfig that cannot be read as one, or does not have what was asked for."""


def read(path: Path) -> list[Context]:
    """Every context of a file; KubeconfigError says what is wrong with it."""
    step = "name the file of your cluster: ./lab up --kubeconfig FILE"
    if path.is_dir():
        raise KubeconfigError(
            f"{path} is a folder, not a kubeconfig.", next_step=f"ls {shlex.quote(str(path))}; {step}"
        )
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=manifests.LOADER)
    except FileNotFoundError as e:
        raise KubeconfigError(f"There is no kubeconfig {path}.", next_step=step) from e
    except OSError as e:
        raise KubeconfigError(f"{path} cannot be read: {e.strerror}.", next_step=f"ls -l {path}") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        reason = " ".join(str(e).split())
        raise KubeconfigError(f"{path} is no kubeconfig, since it is no YAML: {reason}", next_step=step) from e
    contexts = _contexts(document)
    if not contexts:
        raise KubeconfigError(f"{path} is no kubeconfig: it has no contexts.", next_step=step)
    return contexts


def _contexts(document: object) -> list[Context]:
    if not isinstance(document, dict):
        return []
    servers = {name: str(entry.get("server") or "") for name, entry in _named(document.get("clusters"), "cluster")}
    return [
        Context(
            name=name,
            cluster=str(entry.get("cluster") or ""),
            user=str(entry.get("user") or ""),
            server=servers.get(str(entry.get("cluster")), ""),
        )
        for name, entry in _named(document.get("contexts"), "context")
    ]


def _named(entries: object, key: str) -> list[tuple[str, dict[str, object]]]:
    if not isinstance(entries, list):
        return []
    whole = [e for e in entries if isinstance(e, dict) and e.get("name") and isinstance(e.get(key), dict)]
    return [(str(e["name"]), e[key]) for e in whole]


def chosen(path: Path, contexts: Sequence[Context], *, named: str | None) -> Context:
    """The named context; without a name the only one, where it looks like a lab."""
    context = _meant(path, contexts, named=named)
    if not context.server:
        raise KubeconfigError(
            f"Context {context.name} of {path} names the cluster {context.cluster!r}, which has no server there.",
            next_step=f"kubectl --kubeconfig {shlex.quote(str(path))} config view; or ask for a new kubeconfig",
        )
    return context


def _meant(path: Path, contexts: Sequence[Context], *, named: str | None) -> Context:
    names = ", ".join(context.name for context in contexts)
    file = shlex.quote(str(path))
    if named is not None:
        context = next((c for c in contexts if c.name == named), None)
        if context is None:
            raise KubeconfigError(
                f"{path} has no context {named!r}; it has {names}.",
                next_step=f"./lab up --kubeconfig {file} --context {shlex.quote(contexts[0].name)}",
            )
        return context
    if len(contexts) > 1:
        raise KubeconfigError(
            f"{path} has {len(contexts)} contexts: {names}. The kit never takes the current one by itself.",
            next_step=f"./lab up --kubeconfig {file} --context {shlex.quote(contexts[0].name)}",
        )
    (only,) = contexts
    if only.server and not only.looks_like_a_lab:
        raise KubeconfigError(
            f"Context {only.name} of {path} ({only.server}) does not look like a lab. "
            "The course makes objects there, and restarts programs of its own.",
            next_step=f"name it, if you mean it: ./lab up --kubeconfig {file} --context {shlex.quote(only.name)}",
        )
    return only


def users_own() -> list[Path]:
    """The files that plain ``kubectl`` reads; looked at only for ``--cluster context:NAME``."""
    listed = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path("~/.kube/config").expanduser()]


def in_users_own(name: str) -> Path:
    """The file of the user's that has a context of this name."""
    files = [file for file in users_own() if file.exists()]
    listed = {file: read(file) for file in files}
    for file, contexts in listed.items():
        if any(context.name == name for context in contexts):
            return file
    names = ", ".join(context.name for contexts in listed.values() for context in contexts)
    raise KubeconfigError(
        f"Your kubeconfig ({', '.join(map(str, users_own()))}) has no context {name!r}; it has {names or 'none'}.",
        next_step="kubectl config get-contexts",
    )
