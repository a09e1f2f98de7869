"""The way of a request from proxy to proxy: the first one that does not lead on is where the cause is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.exercises.diagnosis import cause, destinations, gateways, matches, objects, outside, rules
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask, Decision, Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.kube import resources


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One proxy on the way, and where it should send the request."""

    ask: Ask
    host: str
    """The service it should lead to, full: ``reviews.default.svc.cluster.local``."""

    shares: Mapping[str, float] | None = None
    """Per cent of each version of it; None where any pod will do."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the configuration of the proxies says about one request."""

    is_as_asked: bool
    """Whether every proxy leads where it should, in the right shares."""

    causes: Sequence[Cause]
    """Why not, the most directly shown first."""

    last: Decision | None = None
    """What the last proxy looked at decides."""


def follow(evidence: Evidence, mesh: Objects, hops: Sequence[Hop]) -> Findings:
    """Ask every proxy in turn, up to the first that leads elsewhere."""
    last: Decision | None = None
    for hop in hops:
        last = decisions.of(evidence, hop.ask)
        if last is None:
            return Findings(is_as_asked=False, causes=[no_proxy(hop.ask.proxy, mesh)])
        causes = causes_at(last, mesh, hop)
        if causes:
            return Findings(is_as_asked=False, causes=causes, last=last)
    return Findings(is_as_asked=True, causes=[], last=last)


def causes_at(decision: Decision, mesh: Objects, hop: Hop) -> list[Cause]:
    """Why a proxy does not send the request where it should; nothing when it does."""
    explanation = decision.explanation
    if not explanation.listener:
        return gateways.no_listener(mesh)
    if outside.is_unknown(decision) or explanation.answer == outside.CLOSED:
        return [*rules.without_a_say(decision, mesh, hop.host), *outside.why_unknown(decision, mesh)]
    if explanation.index < 0:
        return _unanswered(decision, mesh, hop)
    title = matches.rule_title(decision.route, decision, mesh)
    if explanation.answer:
        return [_own_answer(decision, title), *rules.without_a_say(decision, mesh, hop.host)]
    if percent := fault_percent(decision, "abort"):
        status = (decision.fault.get("abort") or {}).get("http_status", "an error")
        return [cause.shown(f"{title} answers {percent:g} % of these requests itself, with {status} (`fault.abort`)")]
    dead = destinations.dead_ends(decision.targets, mesh, what=title)
    if dead:
        return dead
    if not _leads(decision.targets, hop, mesh):
        return _elsewhere(decision, mesh, hop, title)
    return []


def fault_percent(decision: Decision, kind: str) -> float:
    """How many per cent of the requests get this fault, ``delay`` or ``abort``; without a percentage none."""
    fault = decision.fault.get(kind) or {}
    return decisions.percent_of(fault.get("percentage") or {}) if fault else 0.0


def no_proxy(pod: str, mesh: Objects) -> Cause:
    """Why nobody carries out rules for what a pod calls."""
    name = pod.removesuffix("-")
    there = [p for p in mesh.pods if resources.name_of(p).startswith(pod)]
    if not there:
        return cause.shown(f"there is no pod of {name}", 'lab.kubectl("get pods -A")')
    return cause.shown(
        f"the pod {resources.name_of(there[0])} has no sidecar, and rules are carried out by the caller's sidecar: see "
        f"the label istio-injection of its namespace, and sidecar.istio.io/inject of the pod",
        'lab.kubectl("get pods")',
    )


def _leads(targets: Sequence[Target], hop: Hop, mesh: Objects) -> bool:
    if hop.shares is None:
        return all(_is_behind(target, hop, mesh) for target in targets if target.percent)
    return is_split(decisions.versions(targets, mesh), hop.shares) and all(
        _is_behind(target, hop, mesh) for target in targets if target.percent
    )


def _is_behind(target: Target, hop: Hop, mesh: Objects) -> bool:
    """Whether it is the service itself, or another Service of the same app, such as reviews-v2 beside reviews."""
    if target.host == hop.host:
        return True
    service = mesh.service(hop.host)
    selector = objects.spec_of(service or {}).get("selector") or {}
    pods = [mesh.pod_at(endpoint) for endpoint in target.endpoints]
    return bool(selector and pods) and all(
        pod is not None and selector.items() <= resources.labels_of(pod).items() for pod in pods
    )


CLOSE = 0.5
"""Per cent that a share may be off, for weights such as 1, 1 and 1."""


def is_split(shares: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    """Whether two divisions among versions are the same."""
    return all(abs(shares.get(name, 0.0) - asked.get(name, 0.0)) <= CLOSE for name in {*shares, *asked})


def _is_wide(decision: Decision, mesh: Objects) -> bool:
    """Whether a rule that requests take leads to every version, because a destination has no subset."""
    wide = any(len(decisions.versions([target], mesh)) > 1 for target in decision.targets if not target.subset)
    return wide and decision.explanation.source is not None


def _unanswered(decision: Decision, mesh: Objects, hop: Hop) -> list[Cause]:
    """No virtual host, or none of its routes: 404."""
    causes = rules.without_a_say(decision, mesh, hop.host)
    if any(c.directness <= cause.Directness.SILENT for c in causes):
        return causes
    closest = matches.none_fits(decision, mesh, lambda targets: bool(targets) and _leads(targets, hop, mesh))
    name = decision.ask.host
    nothing = cause.undecided(
        f"the proxy of {decision.ask.proxy} has no route for {decision.ask.path} at {name}, and no VirtualService is "
        f"about {objects.short(hop.host)}",
        'lab.kubectl("get virtualservices -A")',
    )
    return [*causes, *([closest] if closest else [nothing])]


def _own_answer(decision: Decision, title: str) -> Cause:
    answer = decision.explanation.answer
    if answer.startswith("redirect"):
        return cause.shown(
            f"{title} answers by itself with a {answer} (`redirect`): the caller is told to go elsewhere; `rewrite` "
            "beside `route` changes the path and sends the request on"
        )
    return cause.shown(f"{title} answers by itself with {answer} (`directResponse`), and sends nothing on")


def _elsewhere(decision: Decision, mesh: Objects, hop: Hop, title: str) -> list[Cause]:
    """The route works and leads to others, or in other shares."""
    causes = destinations.several_rules(decision, mesh, hop.shares or {})
    causes += destinations.wrong_versions(decision, mesh, hop.shares or {})
    if hop.shares is not None and _is_wide(decision, mesh):
        causes += destinations.shares(decision, mesh, hop.shares, hop.host)
    causes += matches.other_routes(decision, mesh, lambda targets: _leads(targets, hop, mesh))
    causes += rules.without_a_say(decision, mesh, hop.host)
    if hop.shares is not None:
        causes += destinations.shares(decision, mesh, hop.shares, hop.host)
    else:
        away = "" if any(_is_behind(t, hop, mesh) for t in decision.targets) else f", not to {objects.short(hop.host)}"
        causes.append(cause.shown(f"{title} sends {decisions.told(decision.targets)}{away}"))
    return sorted(causes, key=lambda each: each.directness == cause.Directness.OPEN)
