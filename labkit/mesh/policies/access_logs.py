"""Which access logs a proxy writes: Telemetry of the mesh, its namespace and its workload, or the mesh's own file."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import blame
from labkit.mesh.ir import Log
from labkit.mesh.model import Proxy, Snapshot
from labkit.mesh.policies import selection

RESOURCE = "telemetries.telemetry.istio.io"
STDOUT = "/dev/stdout"
PROVIDERS = ({"name": "envoy", "envoyFileAccessLog": {"path": STDOUT}},)
"""What a mesh has without naming it; those without access logs are left out."""

Said = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Logs:
    """Of one proxy."""

    inbound: tuple[Log, ...] = ()
    outbound: tuple[Log, ...] = ()
    """Of a gateway, all."""


NONE = Logs()


def of(snapshot: Snapshot, proxy: Proxy, clusters: Collection[str] = ()) -> Logs:
    """What the access logs of a proxy are; of collectors only those that are among its clusters."""
    with blame.naming("What MeshConfig and Telemetry say of access logs"):
        levels = list(_said(snapshot, proxy))
        if not levels and not snapshot.mesh_config:
            return NONE
        is_served = proxy.role == "sidecar"
        return Logs(
            inbound=_logs(levels, snapshot.mesh_config, "SERVER", clusters) if is_served else (),
            outbound=_logs(levels, snapshot.mesh_config, "CLIENT", clusters),
        )


def _logs(levels: Sequence[Sequence[Said]], mesh: Said, mode: str, clusters: Collection[str]) -> tuple[Log, ...]:
    providers = _providers(mesh)
    chosen = merged(levels, _names(mesh.get("defaultProviders") or {}, "accessLogging"), mode)
    candidates = [(entry, _log(providers.get(name.lower()), clusters)) for name, entry in sorted(chosen.items())]
    usable = [(entry, log) for entry, log in candidates if log is not None]
    if not usable:
        return tuple(_of_mesh(mesh))
    return tuple(_filtered(log, entry) for entry, log in usable if not entry.get("disabled"))


def _said(snapshot: Snapshot, proxy: Proxy) -> Iterator[Sequence[Said]]:
    """``accessLogging`` of the root namespace's, the namespace's and the workload's Telemetry: the oldest of each."""
    levels = selection.applying(
        snapshot.of(RESOURCE), root=snapshot.root_namespace, namespace=proxy.namespace, labels=dict(proxy.labels)
    )
    for level in (levels.mesh, levels.namespace, levels.workload):
        logging = (level[0].get("spec") or {}).get("accessLogging") if level else None
        if logging:
            yield logging


def merged(levels: Sequence[Sequence[Said]], default: Sequence[str], mode: str) -> dict[str, Said]:
    """Provider → the entry that decides for it, in one mode.

    Names of a lower level replace those above; an entry without names speaks of those of the entry before it.
    """
    if not levels:
        return {name: {} for name in default}
    names_in_force = set(default)
    filters: dict[str, Said] = {}
    for level in levels:
        fitting = [entry for entry in level if _is_of(entry, mode)]
        names = {name for entry in fitting for name in _names(entry, "providers")}
        filters |= {name: entry.get("filter") or {} for entry in fitting for name in _names(entry, "providers")}
        names_in_force = names or names_in_force
    entries: dict[str, Said] = {}
    before = list(default)
    for entry in (entry for level in levels for entry in level):
        before = _names(entry, "providers") or before
        if _is_of(entry, mode):
            entries |= {
                name: {"disabled": entry.get("disabled"), "filter": filters.get(name)}
                for name in before
                if name in names_in_force
            }
    return entries


def _is_of(entry: Said, mode: str) -> bool:
    return (entry.get("match") or {}).get("mode", "CLIENT_AND_SERVER") in (mode, "CLIENT_AND_SERVER")


def _names(spec: Said, key: str) -> list[str]:
    return [str(p["name"] if isinstance(p, Mapping) else p) for p in spec.get(key) or ()]


def _providers(mesh: Said) -> dict[str, Said]:
    """By name, whose case does not matter; the mesh's own win."""
    return {str(p.get("name", "")).lower(): p for p in (*PROVIDERS, *(mesh.get("extensionProviders") or ()))}


def _log(provider: Said | None, clusters: Collection[str]) -> Log | None:
    settings = provider or {}
    if settings.get("envoyFileAccessLog") is not None:
        file = settings["envoyFileAccessLog"]
        form = file.get("logFormat") or {}
        return Log(path=file.get("path") or STDOUT, text=form.get("text") or "", fields=form.get("labels"))
    if settings.get("envoyOtelAls") is not None:
        otel = settings["envoyOtelAls"]
        form = otel.get("logFormat") or {}
        host = str(otel.get("service", "")).rpartition("/")[2]
        cluster = f"outbound|{otel.get('port', 0)}||{host}"
        if cluster in clusters:
            name = otel.get("logName") or "otel_envoy_accesslog"
            return Log(collector=cluster, name=name, text=form.get("text") or "", fields=form.get("labels"))
    return None


def _of_mesh(mesh: Said) -> Iterator[Log]:
    """``accessLogFile`` and its format: what counts where no Telemetry speaks."""
    form = str(mesh.get("accessLogFormat") or "")
    if not mesh.get("accessLogFile"):
        return
    if mesh.get("accessLogEncoding") in ("JSON", 1):
        yield Log(path=str(mesh["accessLogFile"]), fields=_parsed(form))
    else:
        yield Log(path=str(mesh["accessLogFile"]), text=form)


def _parsed(form: str) -> Said:
    """A format in JSON; what cannot be read is Istio's own, as with Istio."""
    try:
        parsed = json.loads(form or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _filtered(log: Log, entry: Said) -> Log:
    expression = (entry.get("filter") or {}).get("expression") or ""
    return Log(**{**vars(log), "expression": str(expression)}) if expression else log
