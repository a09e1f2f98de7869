"""Reading what the X-ray shows: objects, one proxy's configuration, and what every proxy has acknowledged."""

import json
from collections.abc import Mapping
from typing import Any

from labkit.base import errors
from labkit.exercises import filed
from labkit.kube import client, manifests, resources
from labkit.kube.resources import Object
from labkit.lab import doors
from labkit.mesh.explain import explanations, provenance
from labkit.telemetry import proxies
from labkit.views import xray

READ = (resources.SERVICES, resources.INGRESSES, *resources.ISTIO, *resources.GATEWAY_API)
HIDDEN = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "annotations")
"""Metadata that nobody wrote."""


def look(api: client.Client, ways: doors.Doors, proxy: proxies.Proxy, what: str, namespace: str) -> xray.XRay:
    """One object, ``virtualservice/reviews``, and what it became in one proxy; SetupError where there is none."""
    named = filed.parse(what)
    resource = filed.KINDS.get(named.kind)
    obj = api.find(resource, named.name, namespace) if resource else None
    if resource is None or obj is None:
        raise errors.SetupError(
            f"There is no {named.kind or 'object'} {named.name!r} in namespace {namespace}.",
            next_step='name kind and object: lab.xray("virtualservice/reviews")',
        )
    own = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    config = explanations.from_dump(json.loads(proxy.ask("config_dump?include_eds")))
    title = provenance.title(own)
    links = [link for link in provenance.links(config, _everything(api)) if link.object == title]
    hosts = {h["name"]: h for table in config.routes.values() for h in table.get("virtual_hosts") or ()}
    values = {provenance.HOST: hosts, provenance.CLUSTER: config.clusters, provenance.LISTENER: config.listeners}
    rows = [
        xray.Row(
            field=link.field,
            value=provenance.value_at(own, link.field),
            kind=link.kind,
            name=link.name,
            path=link.path,
            envoy=provenance.value_at(values[link.kind].get(link.name), link.path),
        )
        for link in links
    ]
    return xray.XRay(title=title, proxy=proxy.name, yaml=_text(own), rows=rows, proxies=_acknowledged(ways))


def _everything(api: client.Client) -> list[Object]:
    objects: list[Object] = []
    for resource in READ:
        objects += [{"apiVersion": resource.api_version, "kind": resource.kind, **obj} for obj in api.visible(resource)]
    return objects


def _text(obj: Object) -> str:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in HIDDEN}
    return manifests.dump({**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata})


def _acknowledged(ways: doors.Doors) -> list[Mapping[str, Any]]:
    try:
        entries: list[Mapping[str, Any]] = json.loads(ways.istiod("/debug/syncz")) or []
    except errors.LabError:
        return []
    return sorted(entries, key=lambda entry: str(entry["proxy"]))
