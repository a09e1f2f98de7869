"""Which access logs a proxy writes: Telemetry of the mesh, its namespace and its workload, or the mesh's own file."""

import json
from collections.abc import Collection, Iterator, Sequence

from labkit.mesh.ir import Log
from labkit.mesh.policies import providers
from labkit.mesh.policies.providers import STDOUT, Spec

PEERS = ("upstream_peer", "downstream_peer")
"""What Istio's exchange of workloads' names leaves for logs."""


def of(levels: Sequence[Sequence[Spec]], mesh: Spec, clusters: Collection[str], mode: str) -> tuple[Log, ...]:
    """The logs of one side; of collectors only those that are among the proxy's clusters."""
    if not levels and not mesh:
        return ()
    named = providers.by_name(mesh)
    chosen = merged(levels, providers.default(mesh, "accessLogging"), mode)
    candidates = [(entry, _log(named.get(name.lower()), mesh, clusters)) for name, entry in sorted(chosen.items())]
    usable = [(entry, log) for entry, log in candidates if log is not None]
    if not usable:
        return tuple(_of_mesh(mesh))
    return tuple(_filtered(log, entry) for entry, log in usable if not entry.get("disabled"))


def merged(levels: Sequence[Sequence[Spec]], default: Sequence[str], mode: str) -> dict[str, Spec]:
    """Provider → the entry that decides for it, in one mode.

    Names of a lower level replace those above; an entry without names speaks of those of the entry before it.
    """
    if not levels:
        return {name: {} for name in default}
    names_in_force = set(default)
    filters: dict[str, Spec] = {}
    for level in levels:
        fitting = [entry for entry in level if providers.is_of(entry, mode)]
        names = {name for entry in fitting for name in providers.names(entry)}
        filters |= {name: entry.get("filter") or {} for entry in fitting for name in providers.names(entry)}
        names_in_force = names or names_in_force
    entries: dict[str, Spec] = {}
    before = list(default)
    for entry in (entry for level in levels for entry in level):
        before = providers.names(entry) or before
        if providers.is_of(entry, mode):
            entries |= {
                name: {"disabled": entry.get("disabled"), "filter": filters.get(name)}
                for name in before
                if name in names_in_force
            }
    return entries


def _log(provider: Spec | None, mesh: Spec, clusters: Collection[str]) -> Log | None:
    settings = provider or {}
    if provider is providers.ENVOY:
        # Istio's own provider takes the form that the mesh has.
        return _file(STDOUT, mesh)
    if settings.get("envoyFileAccessLog") is not None:
        file = settings["envoyFileAccessLog"]
        form = file.get("logFormat") or {}
        return Log(path=file.get("path") or STDOUT, text=form.get("text") or "", fields=form.get("labels"))
    for kind, read in (("envoyOtelAls", _otlp), ("envoyHttpAls", _http), ("envoyTcpAls", _tcp)):
        collector = settings.get(kind)
        if collector is not None:
            cluster, _ = providers.cluster(collector, clusters)
            return read(collector, cluster) if cluster else None
    return None


def _otlp(settings: Spec, cluster: str) -> Log:
    form = settings.get("logFormat") or {}
    name = settings.get("logName") or "otel_envoy_accesslog"
    return Log(collector=cluster, name=name, text=form.get("text") or "", fields=form.get("labels"))


def _http(settings: Spec, cluster: str) -> Log:
    return Log(
        collector=cluster,
        protocol="http",
        name=settings.get("logName") or "http_envoy_accesslog",
        request_headers=tuple(settings.get("additionalRequestHeadersToLog") or ()),
        response_headers=tuple(settings.get("additionalResponseHeadersToLog") or ()),
        response_trailers=tuple(settings.get("additionalResponseTrailersToLog") or ()),
        filter_state=tuple(settings.get("filterStateObjectsToLog") or PEERS),
    )


def _tcp(settings: Spec, cluster: str) -> Log:
    name = settings.get("logName") or "tcp_envoy_accesslog"
    kept = tuple(settings.get("filterStateObjectsToLog") or PEERS)
    return Log(collector=cluster, protocol="tcp", name=name, filter_state=kept)


def _of_mesh(mesh: Spec) -> Iterator[Log]:
    """``accessLogFile`` and its format: what counts where no Telemetry speaks."""
    if mesh.get("accessLogFile"):
        yield _file(str(mesh["accessLogFile"]), mesh)


def _file(path: str, mesh: Spec) -> Log:
    form = str(mesh.get("accessLogFormat") or "")
    is_json = mesh.get("accessLogEncoding") in ("JSON", 1)
    return Log(path=path, fields=_parsed(form)) if is_json else Log(path=path, text=form)


def _parsed(form: str) -> Spec:
    """A format in JSON; what cannot be read is Istio's own, as with Istio."""
    try:
        parsed = json.loads(form or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _filtered(log: Log, entry: Spec) -> Log:
    expression = (entry.get("filter") or {}).get("expression") or ""
    return Log(**{**vars(log), "expression": str(expression)}) if expression else log
