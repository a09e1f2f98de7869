"""Access logs of a lab: switched on and off, and the way of one request read from those of all proxies."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labkit.base import errors, settings, waiting
from labkit.install import istio, rights
from labkit.kube import client, manifests, resources, status
from labkit.kube.resources import Object
from labkit.lab import doors, logfollowing
from labkit.mesh.explain import explanations, matching
from labkit.mesh.model import Resource
from labkit.telemetry import accesslogs, flows, quiet, workloads
from labkit.telemetry.logfilters import LineFilter
from labkit.views import explorer, logtable, results

if TYPE_CHECKING:
    from labkit.views import logs

MANIFEST = "manifests/access-logs.yaml"
NAME = "access-logs"

PATIENCE = 2.0
"""Seconds until every line of a request has been written out: Istio's proxies do so each second, ours sooner."""

EVERY = 0.1
TAIL = 500
"""Lines of each log that are looked through, the newest."""

_LOGGERS = re.compile(r"envoy\.access_loggers\.(\w+)")

ANSWERED = "direct_response"
"""What a line says of a proxy that answers or redirects by itself."""

DRAINING = ("listener_manager.total_filter_chains_draining", "listener_manager.total_listeners_draining")
DRAIN = 8.0
"""Seconds that are waited for connections of before; the sandbox's Envoys close them after five."""

OFF = "The proxies write none at the moment.\nNext: lab.access_logs(), then send it again"
EVERY_PROXY = "Every proxy writes a line for each request."
OWN_PROXIES = (
    "Every proxy of namespace {namespace} writes a line for each request; others, the gateway's among them, write what "
    "the owner of istio-system says, since you may not change that."
)
UNMARKED = (
    "No proxy wrote a line of it: it did not come in, or it brought a User-Agent of its own, by which it is found."
)

NAMED = "In the logs its x-request-id is {id}: a gateway gives every request from outside one of its own."

Proxies = Callable[[], Sequence[workloads.Workload]]
Source = str | Object
Switch = Callable[[Source], results.Changes]
"""``lab.apply`` or ``lab.delete``."""


class AccessLogs:
    """Of one cluster."""

    def __init__(
        self,
        api: client.Client,
        ways: doors.Doors,
        proxies: Proxies,
        sends: Callable[[], Mapping[str, str]] = dict,
        *,
        namespace: str = "default",
    ) -> None:
        """``sends``: workload → how requests to it are sent; ``namespace``: the course's own."""
        self._api, self._doors, self._proxies, self._sends = api, ways, proxies, sends
        self._namespace = namespace

    def follow(self, mark: str) -> explorer.Trace:
        """The way of the request with this mark in its User-Agent, once the proxies have written it down."""
        pods = list(self._proxies())
        steps = accesslogs.of_request(self.logs(pods), mark)
        if not steps and not self._is_on(pods):
            return explorer.Trace(note=OFF)
        steps = self._steps(pods, mark)
        if not steps:
            return explorer.Trace(note=UNMARKED)
        tables = self._tables([pod for pod in pods if any(s.proxy == pod.name for s in steps)])
        return trace(steps, tables, {pod.ip: pod.name for pod in pods}, self._sends())

    def _steps(self, pods: Sequence[workloads.Workload], mark: str) -> list[accesslogs.Step]:
        addresses = {pod.ip: pod.name for pod in pods}
        deadline = time.monotonic() + PATIENCE
        while True:
            steps = accesslogs.of_request(self.logs(pods), mark)
            # The gateway comes first on the way and writes last.
            is_begun = bool(steps) and not steps[0].line.is_inbound
            if (is_begun and not accesslogs.silent(steps, addresses)) or time.monotonic() >= deadline:
                return steps
            time.sleep(EVERY)

    def table(self, only: LineFilter, *, last: int = 20) -> logtable.LogTable:
        """The newest lines that fit, once the proxies have written down what happened until now."""
        pods = [pod for pod in self._proxies() if pod.name.startswith(only.proxy)]

        def fitting() -> list[accesslogs.Step]:
            return [step for step in accesslogs.every(self.logs(pods)) if only.fits(step)][-last:]

        return logtable.LogTable(steps=quiet.at_rest(fitting))

    def live(self, only: LineFilter, *, last: int = 20) -> "logs.LogView":
        """The same lines as they are written, from the newest ``last`` of each proxy on."""
        from labkit.views import logs

        return logs.LogView(logfollowing.LogFollower(self._api, self._proxies, last=last).read, only=only).look()

    def logs(self, pods: Sequence[workloads.Workload]) -> Mapping[str, str]:
        """The newest lines of each proxy, by pod."""
        with futures.ThreadPoolExecutor(doors.TOGETHER) as pool:
            return dict(zip((pod.name for pod in pods), pool.map(self._log, pods), strict=True))

    def _log(self, pod: workloads.Workload) -> str:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log?container={workloads.PROXY}&tailLines={TAIL}"
        try:
            code, _, body = self._api.raw("GET", path)
        except status.StatusError:
            return ""
        return body.decode("utf-8", "replace") if code == 200 else ""

    def ensure(self, on: Switch) -> results.Done | None:
        """Switch them on where no proxy writes any; None where they are on already."""
        if self._is_on(list(self._proxies())):
            return None
        return self.switch(on, is_on=True)

    def _is_on(self, pods: Sequence[workloads.Workload]) -> bool:
        """Whether any proxy writes them; one page of each tells."""
        dumps = self._doors.envoys(pods, "config_dump?resource=dynamic_listeners")
        return any(writes(text) for text in dumps.values())

    def _tables(self, pods: Sequence[workloads.Workload]) -> Mapping[str, list[Resource]]:
        dumps = self._doors.envoys(pods, "config_dump?resource=dynamic_route_configs")
        return {name: [c["route_config"] for c in json.loads(t).get("configs", ())] for name, t in dumps.items()}

    def switch(self, on: Switch, *, is_on: bool) -> results.Done:
        """Carry out a change of the access logs, ``on(TELEMETRY)``; it holds for every connection when this returns.

        Who may change nothing of ``istio-system`` has them for the proxies of the own namespace.
        """
        place = istio.NAMESPACE if self._may_speak_for_all() else self._namespace
        changes = on(telemetry(place))
        details = [str(changes.live)] if changes.live else []
        if any(change.action != "unchanged" for change in changes.changes) and not self.until_drained():
            details.append("connections that were open before say nothing until they are closed, in Istio after 45 s")
        sentence = "The kit asks for no access logs." if not is_on else EVERY_PROXY
        if is_on and place != istio.NAMESPACE:
            sentence = OWN_PROXIES.format(namespace=place)
        if is_on and (older := self.older(NAME, place)):
            sentence, details = overruled(NAME, older, place), details[:1]
        return results.Done(sentence=sentence, details=details, command=changes.command)

    def _may_speak_for_all(self) -> bool:
        asked = rights.Right(
            verb="create", group="telemetry.istio.io", resource="telemetries", namespace=istio.NAMESPACE
        )
        return rights.may(self._api, asked)

    def older(self, name: str, namespace: str = istio.NAMESPACE) -> str:
        """The Telemetry that speaks for a namespace, the whole mesh by default, in place of the one of this name.

        Empty where there is none. Of several in a namespace without a selector, Istio takes the oldest alone.
        """
        telemetries = self._api.list(resources.TELEMETRIES, namespace)
        general = [t for t in telemetries if not {"selector", "targetRef", "targetRefs"} & (t.get("spec") or {}).keys()]
        ages = sorted((t["metadata"].get("creationTimestamp", ""), resources.name_of(t)) for t in general)
        return ages[0][1] if ages and ages[0][1] != name else ""

    def until_drained(self) -> bool:
        """Wait until connections of before a change are closed; a request on one of them is not told of.

        False where that takes longer, as it does with Istio's own 45 seconds.
        """
        try:
            waiting.until(
                lambda: not self._drains(),
                what="the end of connections that were open before",
                timeout=DRAIN,
                next_step="wait a minute",
                every=0.25,
            )
        except errors.NotReadyError:
            return False
        return True

    def _drains(self) -> bool:
        pages = self._doors.envoys(list(self._proxies()), "stats?filter=listener_manager.*draining")
        return any(draining(text) for text in pages.values())


def overruled(name: str, older: str, namespace: str = istio.NAMESPACE) -> str:
    """What to say of a Telemetry of the kit that Istio passes over."""
    whom = "the whole mesh" if namespace == istio.NAMESPACE else f"namespace {namespace}"
    return (
        f"Telemetry {name} has no effect: {older} is older and speaks for {whom} too, and Istio takes only the "
        f"oldest. Delete {older} (kubectl -n {namespace} delete telemetry {older}), or write both into one."
    )


def telemetry(namespace: str) -> Source:
    """The kit's Telemetry: the manifest for the whole mesh, or the same for one namespace."""
    if namespace == istio.NAMESPACE:
        return MANIFEST
    (whole,) = manifests.read(settings.CHECKOUT / "notebooks" / MANIFEST)
    return {**whole, "metadata": {**whole["metadata"], "namespace": namespace}}


def writes(dump: str) -> bool:
    """Whether an Envoy with these listeners writes lines; the logger that only counts for metrics does not."""
    return any(name != "stats" for name in _LOGGERS.findall(dump))


def draining(stats: str) -> bool:
    """Whether a proxy still keeps listeners or filter chains that it has replaced, by its statistics."""
    numbers = dict(line.split(": ", 1) for line in stats.splitlines() if ": " in line)
    return any(numbers.get(name, "0") != "0" for name in DRAINING)


def trace(
    steps: Sequence[accesslogs.Step],
    tables: Mapping[str, Sequence[Resource]],
    pods: Mapping[str, str],
    sends: Mapping[str, str] = MappingProxyType({}),
) -> explorer.Trace:
    """The steps as the view draws them; ``tables`` are the route configurations by proxy, ``pods`` by address.

    ``sends``: workload → how requests to it are sent.
    """
    first = min(s.line.start for s in steps)
    hops = [
        explorer.Hop(
            proxy=s.proxy,
            sent_to=_sent_to(s.line, pods),
            status=s.line.status,
            ms=s.line.duration_ms,
            start_ms=(s.line.start - first).total_seconds() * 1000,
            flags=s.line.flags,
            rule="; ".join(_rules(s.line, tables.get(s.proxy, ()))),
            **_security(s, steps, pods, sends),
        )
        for s in steps
    ]
    lines = [(s.proxy, s.text) for s in steps]
    return explorer.Trace(hops=hops, lines=lines, note=NAMED.format(id=steps[0].line.request_id))


def _security(
    step: accesslogs.Step, steps: Sequence[accesslogs.Step], pods: Mapping[str, str], sends: Mapping[str, str]
) -> dict[str, Any]:
    """How a step's request was sent on: as the log of the called proxy has it, else as the rules say."""
    if step.line.is_inbound:
        return {}
    called = _pod(step.line, pods)
    came = next((s.line for s in steps if s.proxy == called and s.line.is_inbound), None)
    if came is not None:
        return {"security": came.came_by, "is_measured": True}
    return {"security": sends.get(flows.workload_of(called), "")}


def _sent_to(line: accesslogs.Line, pods: Mapping[str, str]) -> str:
    """``reviews v2``; of a host without a subset also which of its pods got it: ``reviews (reviews-v3-…)``."""
    pod = _pod(line, pods)
    return f"{line.destination} ({pod})" if pod and not line.is_inbound else line.destination


def _pod(line: accesslogs.Line, pods: Mapping[str, str]) -> str:
    return pods.get(line.upstream_host.rpartition(":")[0], "")


def _rules(line: accesslogs.Line, tables: Sequence[Resource]) -> Iterator[str]:
    if not line.is_inbound:
        source = source_of(line, tables)
        if source:
            yield str(source)
        if line.route and line.route not in ("default", "allow_any"):
            yield f"route {line.route}"
    if line.details not in accesslogs.ORDINARY:
        yield line.details
    if line.failure:
        yield line.failure


def source_of(line: accesslogs.Line, tables: Sequence[Resource]) -> explanations.Source | None:
    """The object behind the route that a line was written by; None where none is, or where it could be several."""
    if not line.cluster and line.details != ANSWERED:
        return None
    sources = set()
    for table in tables:
        host = matching.virtual_host(table, line.authority)
        for route in (host or {}).get("routes") or ():
            if route.get("name", "") == line.route and line.cluster in _clusters(route):
                sources.add(explanations.source_of(route))
    return sources.pop() if len(sources) == 1 else None


def _clusters(route: Resource) -> list[str]:
    """The clusters of a route; one of no name where the proxy answers itself."""
    action = route.get("route") or {}
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    return [c["name"] for c in weighted] if weighted else [action.get("cluster", "")]
