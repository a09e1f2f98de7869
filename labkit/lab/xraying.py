"""Reading what the X-ray shows: objects, one proxy's configuration, and what every proxy has acknowledged."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labkit.base import errors
from labkit.exercises import filed
from labkit.kube import client, resources
from labkit.kube.resources import Object, Resource
from labkit.lab import doors, snapshots
from labkit.mesh import origins
from labkit.mesh.model import Config, Snapshot
from labkit.telemetry import proxies
from labkit.telemetry.differences import Difference
from labkit.views import xray

KINDS = {
    **filed.KINDS,
    "httproute": resources.HTTP_ROUTES,
    "grpcroute": resources.GRPC_ROUTES,
    "kubegateway": resources.KUBE_GATEWAYS,
    "ingress": resources.INGRESSES,
    "workloadentry": resources.WORKLOAD_ENTRIES,
}
"""Words for kinds; ``gateway`` is Istio's, ``kubegateway`` the one of the Gateway API."""


def look(
    api: client.Client,
    ways: doors.Doors,
    candidates: Iterable[proxies.Proxy],
    what: str,
    namespace: str,
    *,
    changes: Sequence[Difference] = (),
) -> xray.XRay:
    """One object, ``virtualservice/reviews``, in the first proxy where it decides something.

    SetupError where there is no such object; ``changes`` are those of the last apply, in all proxies.
    """
    kind, _, name = what.partition("/")
    named = filed.parse(what)
    resource, name = (KINDS[kind.lower()], name) if kind.lower() in KINDS else (filed.KINDS.get(named.kind), named.name)
    snapshot = snapshots.whole(api)
    obj = _stored(snapshot, resource, name, namespace) if resource else None
    if resource is None or obj is None:
        raise errors.SetupError(
            f"There is no {kind or 'object'} {name!r} in namespace {namespace} that istiod translates.",
            next_step='name kind and object: lab.xray("virtualservice/reviews"); kinds: ' + ", ".join(KINDS),
        )
    seen: list[tuple[proxies.Proxy, list[xray.Row]]] = []
    for proxy in candidates:
        rows = _rows(api, snapshot, proxy, snapshots.key_of(resource), obj)
        seen.append((proxy, rows))
        if rows:
            break
    proxy, rows = seen[-1] if seen[-1][1] else seen[0]
    text, title = snapshots.text_of(obj), f"{resource.kind} {resources.namespace_of(obj)}/{name}"
    here = [change for change in changes if proxy.name.startswith(f"{change.proxy}.")]
    return xray.XRay(title=title, proxy=proxy.name, yaml=text, rows=rows, proxies=_acknowledged(ways), changes=here)


def _stored(snapshot: Snapshot, resource: Resource, name: str, namespace: str) -> Object | None:
    """The object of the course's namespace, or of the root namespace, whose policies count everywhere."""
    listed = [obj for obj in snapshot.of(snapshots.key_of(resource)) if resources.name_of(obj) == name]
    places = [namespace, snapshot.root_namespace, ""]
    return min(
        (obj for obj in listed if resources.namespace_of(obj) in places),
        key=lambda obj: places.index(resources.namespace_of(obj)),
        default=None,
    )


def _rows(api: client.Client, snapshot: Snapshot, proxy: proxies.Proxy, kind: str, obj: Object) -> list[xray.Row]:
    name, _, namespace = proxy.name.rpartition(".")
    pod = api.find(resources.PODS, name, namespace)
    if pod is None:
        return []
    tracer = origins.Tracer(snapshot, snapshots.proxy_of(pod))
    entries = origins.grouped(tracer.config, tracer.of(kind, obj))
    return [_row(tracer.config, entry, obj) for entry in entries]


def _row(config: Config, entry: origins.Origin, obj: Object) -> xray.Row:
    resource = getattr(config, f"{entry.kind}s")[entry.name]
    name, path = entry.name, entry.path
    if entry.kind == "route" and (match := _HOST.match(path)):
        # Envoy's own pages show virtual hosts by name, and so do lab.diff and istioctl.
        name = resource["virtual_hosts"][int(match[1])]["name"]
        path = match[2] or "(all of it)"
        return _row_of(entry, obj, "virtual host", name, path, resource)
    return _row_of(entry, obj, entry.kind, name, path or "(all of it)", resource)


_HOST = re.compile(r"virtual_hosts\[(\d+)\]\.?(.*)")


def _row_of(entry: origins.Origin, obj: Object, kind: str, name: str, path: str, resource: Any) -> xray.Row:
    return xray.Row(
        field=entry.field,
        value=origins.value_at(obj, entry.field),
        kind=kind,
        name=name,
        path=path,
        envoy=origins.at(resource, entry.steps),
    )


def _acknowledged(ways: doors.Doors) -> list[Mapping[str, Any]]:
    try:
        entries: list[Mapping[str, Any]] = json.loads(ways.istiod("/debug/syncz")) or []
    except errors.LabError:
        return []
    return sorted(entries, key=lambda entry: str(entry["proxy"]))
