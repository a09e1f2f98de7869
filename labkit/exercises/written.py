"""Objects of exercises, written as YAML: rules, subsets, routes of the Gateway API."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.kube import manifests

Rule = Mapping[str, Any]


def virtual_service(
    host: str, *http: Rule, name: str = "", namespace: str = "", gateways: Sequence[str] = (), **spec: Any
) -> str:
    """A VirtualService for a host; its name is the host's where nothing else is said."""
    bound = {"gateways": list(gateways)} if gateways else {}
    return _object("VirtualService", name or host, namespace, {"hosts": [host], **bound, "http": list(http), **spec})


def subsets(
    host: str,
    *,
    name: str = "",
    namespace: str = "",
    labels: Mapping[str, Mapping[str, str]] | None = None,
    **versions: str,
) -> str:
    """A DestinationRule that gives each subset a version, or any labels."""
    all_labels = {**{subset: {"version": version} for subset, version in versions.items()}, **(labels or {})}
    rows = [{"name": subset, "labels": dict(own)} for subset, own in all_labels.items()]
    return _object("DestinationRule", name or host, namespace, {"host": host, "subsets": rows})


def to(host: str, *, subset: str = "", weight: int | None = None) -> Rule:
    """One destination."""
    where = {"host": host, "subset": subset} if subset else {"host": host}
    return {"destination": where} if weight is None else {"destination": where, "weight": weight}


def split(host: str = "reviews", **weights: int | None) -> Rule:
    """An http rule with a destination for each subset; None leaves a weight out."""
    return {"route": [to(host, subset=subset, weight=weight) for subset, weight in weights.items()]}


def when(*entries: Mapping[str, Any], **more: Any) -> Rule:
    """Conditions on headers, one entry after another, of a rule: ``when({"end-user": {"exact": "jason"}})``."""
    return {"match": [{"headers": dict(entry)} for entry in entries], **more}


def all_to(host: str, *http: Rule, name: str = "", namespace: str = "", **spec: Any) -> str:
    """A VirtualService whose rules all lead to the one version of a host."""
    route = {"route": [to(host)]}
    return virtual_service(host, *({**entry, **route} for entry in http), name=name, namespace=namespace, **spec)


def version_services(*versions: str, app: str = "reviews") -> str:
    """A Service for each version, as HTTPRoutes need them: they know no subsets."""
    return "---\n".join(
        manifests.dump(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"{app}-{version}"},
                "spec": {
                    "selector": {"app": app, "version": version},
                    "ports": [{"name": "http", "port": 9080}],
                },
            }
        )
        for version in versions
    )


def http_route(service: str, *rules: Rule, port: int = 9080) -> str:
    """An HTTPRoute for the callers of a Service."""
    parents = [{"group": "", "kind": "Service", "name": service, "port": port}]
    return manifests.dump(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": service},
            "spec": {"parentRefs": parents, "rules": list(rules)},
        }
    )


def backends(**weights: int) -> Rule:
    """A rule of an HTTPRoute to Services ``reviews-v1`` and so on: ``backends(v1=80, v2=20)``."""
    return {
        "backendRefs": [{"name": f"reviews-{version}", "port": 9080, "weight": w} for version, w in weights.items()]
    }


def _object(kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> str:
    place = {"namespace": namespace} if namespace else {}
    return manifests.dump(
        {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name, **place}, "spec": dict(spec)}
    )


def joined(*documents: str) -> str:
    """Several objects in one text."""
    return "---\n".join(documents)
