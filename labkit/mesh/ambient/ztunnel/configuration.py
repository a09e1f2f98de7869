"""All that the Envoy in ztunnel's place on one node is told."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from labkit.mesh import model
from labkit.mesh.ambient.authorizations import Authorization
from labkit.mesh.ambient.tables import Tables
from labkit.mesh.ambient.ztunnel import inbound, inside, logs, metrics, outbound, rules
from labkit.mesh.ambient.ztunnel.local import LocalPod, local_pods
from labkit.mesh.model import Config, Resource


def config(snapshot: model.Snapshot, tables: Tables, node: str) -> Config:
    """The configuration for the pods of a node."""
    pods = [_with_targets(pod, tables) for pod in local_pods(snapshot, node)]
    domains = model.trust_domains(snapshot.mesh_config)
    destinations = outbound.Destinations(tables)
    clusters = [*(c for pod in pods for c in _clusters_of(pod, domains)), *destinations.clusters()]
    policies = {pod.ip: _policies_of(pod, tables) for pod in pods}
    accounts = sorted({logs.identity(workload) for workload in tables.workloads.values()})
    listeners = [
        *outbound.internal_listeners(),
        *(x for pod in pods for x in _listeners_of(pod, tables, policies[pod.ip], domains)),
        *(inside.listener(pod, policies[pod.ip], accounts) for pod in pods if pod.ports or pod.own_ports),
    ]
    decisions = (filter_ for pod in pods for filter_ in inbound.decisions(pod, policies[pod.ip]))
    return Config(
        clusters={cluster["name"]: cluster for cluster in clusters},
        endpoints={assignment["cluster_name"]: assignment for assignment in destinations.endpoints()},
        listeners={listener["name"]: listener for listener in listeners},
        extensions={filter_["name"]: filter_ for filter_ in decisions},
    )


def identities(snapshot: model.Snapshot, node: str) -> Mapping[str, tuple[str, str]]:
    """The certificates that the node needs: SPIFFE name → namespace and service account."""
    return {pod.identity: (pod.namespace, pod.account) for pod in local_pods(snapshot, node)}


def _clusters_of(pod: LocalPod, domains: tuple[str, ...]) -> Iterator[Resource]:
    yield from outbound.clusters_of(pod, domains)
    yield from inbound.clusters_of(pod)


def _with_targets(pod: LocalPod, tables: Tables) -> LocalPod:
    """The pod with the ports that Services lead to, declared or not."""
    served = ((tables.workloads.get(pod.workload) or {}).get("services") or {}).values()
    targets = {port["targetPort"] for service in served for port in service["ports"]}
    return replace(pod, own_ports=tuple(sorted({*pod.own_ports, *targets} - {*pod.ports})))


def _policies_of(pod: LocalPod, tables: Tables) -> list[Authorization]:
    named = (tables.workloads.get(pod.workload) or {}).get("authorizationPolicies") or ()
    return rules.applying(tables.policies, namespace=pod.namespace, named=named)


def _listeners_of(
    pod: LocalPod, tables: Tables, policies: inbound.Policies, domains: tuple[str, ...]
) -> Iterator[Resource]:
    workload: Mapping[str, Any] = tables.workloads.get(pod.workload) or {}
    key = next(iter(workload.get("services") or ()), "")
    service = metrics.service(key.partition("/")[2], tables.services.get(key))
    about = logs.About(workload=metrics.workload(workload), service=service)
    yield outbound.listener(pod, about)
    yield inbound.tunnels(pod, about, domains)
    yield inbound.plaintext(pod, policies, about)
