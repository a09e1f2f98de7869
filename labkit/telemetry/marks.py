"""What is special about a workload in a graph: faults on purpose, ejected endpoints, open circuits. Pure."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.telemetry import flows, proxies
from labkit.telemetry.workloads import Workload

OPEN = "circuit_breakers.default.rq"
_OPEN = re.compile(r"^cluster\.(outbound\|[^;\n]*?);?\.circuit_breakers\.default\.\w+_open: 1$", re.MULTILINE)


def of_rules(rules: Iterable[Object], node: flows.Node) -> list[str]:
    """The faults that VirtualServices inject on the way to a workload."""
    namespace = node.name.partition("/")[0]
    return [f"fault: {fault}" for rule in rules if _is_for(rule, node.app, namespace) for fault in _faults(rule)]


def _is_for(rule: Object, app: str, namespace: str) -> bool:
    own = resources.namespace_of(rule)
    hosts = {str(host) for host in (rule.get("spec") or {}).get("hosts") or ()}
    near = {app} if own == namespace else set()
    return bool(hosts & {*near, f"{app}.{namespace}", f"{app}.{namespace}.svc.cluster.local"})


def _faults(rule: Object) -> Iterator[str]:
    for route in (rule.get("spec") or {}).get("http") or ():
        fault = route.get("fault") or {}
        if delay := fault.get("delay"):
            yield f"delay {delay.get('fixedDelay', '')} for {_share(delay)}"
        if abort := fault.get("abort"):
            yield f"{abort.get('httpStatus') or abort.get('grpcStatus') or 'abort'} for {_share(abort)}"


def _share(part: Mapping[str, object]) -> str:
    percentage = part.get("percentage")
    value = percentage.get("value", 0) if isinstance(percentage, Mapping) else part.get("percent", 0)
    return f"{value} %"


def of_circuits(
    clusters: Mapping[str, str], stats: Mapping[str, str], pods: Sequence[Workload]
) -> dict[str, list[str]]:
    """By workload: who ejected its pods, and for whom its circuit is open; from each proxy's pages, by pod."""
    marks: dict[str, set[str]] = defaultdict(set)
    at = {pod.ip: _name(pod) for pod in pods}
    for pod, text in clusters.items():
        caller = flows.workload_of(pod)
        for address in _ejected(text):
            if address in at:
                marks[at[address]].add(f"ejected by {caller}")
    for pod, text in stats.items():
        caller = flows.workload_of(pod)
        for match in _OPEN.finditer(text):
            app = proxies.parts_of(match[1])[3].partition(".")[0]
            for target in pods:
                if target.app == app:
                    marks[_name(target)].add(f"circuit open for {caller}")
    return {name: sorted(texts) for name, texts in marks.items()}


def _ejected(text: str) -> Iterator[str]:
    for cluster in json.loads(text or "{}").get("cluster_statuses", []):
        for endpoint in cluster.get("host_statuses", []):
            if (endpoint.get("health_status") or {}).get("failed_outlier_check"):
                yield proxies.endpoint_address(endpoint)[0]


def _name(pod: Workload) -> str:
    return f"{pod.namespace}/{flows.workload_of(pod.name)}"
