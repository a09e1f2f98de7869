"""Who may do what, as a check asks for it: calls with the status they should get, and why one gets another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.diagnosis import authorizers, cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.explain import access
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import authorization, paths, request_authentication, selection
from labkit.mesh.policies.decisions import Caller, Decision, Request
from labkit.traffic.tokens import Token

ROOT = "istio-system"
ALLOWED, REFUSED, NO_TOKEN = 200, 403, 401


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request and what should become of it."""

    path: str
    status: int
    """200 where the mesh lets it through, 403 where a policy refuses it, 401 where its token is none."""

    service: str = ""
    """The Service that curl calls, ``details:9080``; empty for a request through the gateway."""

    method: str = "GET"
    token: Token | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    through: str = ""
    """A Gateway of the Gateway API; empty for the ingress gateway."""

    guarded_by: str = ""
    """The workload whose policies decide, where that is not the one called first: behind the gateway."""

    by: str = ""
    """Who calls that workload then; empty for the gateway."""

    asks: str = ""
    """What the guarded workload is asked for, where that is not the path: ``details:9080/details/0``."""

    as_: str = ""
    """The caller in words, ``jason``; empty where the rest tells."""

    def __str__(self) -> str:
        who = self.as_ or ("curl" if self.service else "the gateway")
        return f"{who}: {'' if self.method == 'GET' else self.method + ' '}{self.service}{self.path}"


def judge(evidence: Evidence, calls: Sequence[Call]) -> Verdict:
    """Whether every call gets its status; of the first that does not, why."""
    expected = "; ".join(f"{call} → {call.status}" for call in calls)
    statuses = [measured(evidence, call) for call in calls]
    observed = "; ".join(f"{call} → {status}" for call, status in zip(calls, statuses, strict=True))
    for call, status in zip(calls, statuses, strict=True):
        if status != call.status:
            causes = Scene(evidence).causes(call, status)
            return verdict.because(expected, observed, [each.about(str(call)) for each in cause.ranked(causes)])
    return verdict.passed(expected, observed)


def measured(evidence: Evidence, call: Call) -> int:
    """The status that a call gets."""
    headers = {**call.headers, **(call.token.bearer if call.token else {})}
    if not call.service:
        return evidence.fetch(call.path, headers=headers, through=call.through).status
    words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    options = ["-X", call.method, *words] if call.method != "GET" else words
    return evidence.curl(f"http://{call.service}{call.path}", *options).status


class Scene:
    """The policies and pods as they are now."""

    def __init__(self, evidence: Evidence) -> None:
        self._namespace = evidence.namespace
        kinds = (resources.AUTHORIZATION_POLICIES, resources.REQUEST_AUTHENTICATIONS, resources.SERVICES)
        listed = {_key(kind): evidence.everywhere(kind) for kind in kinds}
        self._snapshot = Snapshot(objects=listed, mesh_config=authorizers.mesh_config(evidence))
        self._mesh = access.Mesh(self._snapshot)
        self._workloads = access.workloads(evidence.everywhere(resources.PODS))

    def causes(self, call: Call, status: int) -> list[Cause]:
        """Why a call got another status than it should."""
        callee = self._callee(call)
        if callee is None:
            return [cause.shown(f"no running pod is called {self._name(call)}", "kubectl get pods")]
        if status == NO_TOKEN:
            return [cause.shown(self._bad_token(call, callee))]
        if call.status == NO_TOKEN:
            return [*self._without_issuer(callee), *self._apart(callee, request_authentication.RESOURCE)]
        caller, request = self._caller(call), self._request(call)
        decision = self._mesh.decide(caller, callee, request)
        if call.status == REFUSED and status:  # whatever the application answered, it was asked
            unasked = self._mesh.unasked(caller, callee, request)
            return [*authorizers.passes(decision, unasked), *self._too_open(call, decision, callee)]
        if call.status == ALLOWED and status == REFUSED:
            return self._too_closed(call, decision, caller, callee, request)
        return [cause.undecided(f"it is answered with {status or 'nothing'}, which no policy gives: does it run?")]

    def refusal(self, call: Call) -> list[Cause]:
        """Why policies refuse a call that should be let through; nothing where they let it through."""
        callee = self._callee(call)
        if callee is None:
            return []
        caller, request = self._caller(call), self._request(call)
        decision = self._mesh.decide(caller, callee, request)
        if decision.is_allowed:
            return []
        causes = self._too_closed(call, decision, caller, callee, request)
        return [each.about(f"the proxy of {callee.name} answers {REFUSED}") for each in causes]

    def believes(self, call: Call) -> bool:
        """Whether the proxy that decides about a call looks at tokens."""
        callee = self._callee(call)
        return callee is not None and self._reads(call, callee)

    def _too_open(self, call: Call, decision: Decision, callee: access.Workload) -> list[Cause]:
        apart = self._apart(callee, authorization.RESOURCE)
        if decision.rule and decision.is_allowed:
            return [cause.shown(f"{access.title(decision.rule)} allows it"), *apart]
        if lacking := self._mesh.lacking(self._caller(call), callee, self._request(call), action=access.DENY):
            return [*apart, cause.undecided(f"no DENY rule applies to it: {lacking[0]}")]
        if self._mesh.guard(callee).access.requests:
            return [
                *apart,
                cause.undecided(
                    f"no rule that refuses it applies: {callee.name} has policies, none for {call.method} {call.path}"
                    f"{self._only_noted(callee)}"
                ),
            ]
        sentence = f"no AuthorizationPolicy speaks of {callee.name}, so all may call it{self._of_others(callee)}"
        return [*apart, cause.undecided(sentence)]

    def _of_others(self, callee: access.Workload) -> str:
        """``; AuthorizationPolicy default/ask is for curl``: the youngest policy beside it that chooses another pod."""
        policies = [p for p in self._snapshot.of(authorization.RESOURCE) if self._speaks_of_another(p)]
        for policy in sorted(policies, key=selection.age, reverse=True):
            place, root = resources.namespace_of(policy), self._snapshot.root_namespace
            chosen = [
                w.name
                for w in self._workloads
                if place in (callee.namespace, root)
                and selection.attached([policy], root=root, namespace=w.namespace, labels=w.labels)
            ]
            if chosen:
                return f"; {objects.title(policy)} is for {', '.join(chosen)}"
        return ""

    def _too_closed(
        self, call: Call, decision: Decision, caller: Caller, callee: access.Workload, request: Request
    ) -> list[Cause]:
        apart = [*self._no_token(call, callee), *self._apart(callee, authorization.RESOURCE)]
        if asking := list(authorizers.refusals(decision, self._snapshot.mesh_config)):
            return [*asking, *apart]
        if decision.is_allowed:
            return [*self._on_the_way(call), *apart, cause.undecided(f"the policies of {callee.name} allow it")]
        if decision.rule:
            unread = self._no_token(call, callee)
            return [*unread, cause.shown(f"{access.title(decision.rule)} denies it")]
        lacking = self._mesh.lacking(caller, callee, request)
        reason = str(lacking[0]) if lacking else "there is no rule that could"
        return [*apart, cause.undecided(f"no ALLOW rule applies, and all else is refused: {reason}")]

    def unread(self, call: Call) -> list[Cause]:
        """Why the token of a call is not looked at."""
        callee = self._callee(call)
        return self._no_token(call, callee) if callee else []

    def _no_token(self, call: Call, callee: access.Workload) -> list[Cause]:
        """Why the token of a call proves nothing to the proxy that decides about it."""
        if call.token is None or self._reads(call, callee):
            return []
        tokens = self._mesh.guard(callee).tokens
        if tokens is None:
            apart = self._apart(callee, request_authentication.RESOURCE)
            nobody = f"no RequestAuthentication speaks of {callee.name}, so a token is not even looked at"
            return [cause.shown(each.sentence) for each in (*apart, cause.silent(nobody))]
        where = [name for issuer in tokens.issuers for name, _ in issuer.headers] or [
            name for issuer in tokens.issuers for name in (*issuer.parameters, *issuer.cookies)
        ]
        told = f"{callee.name} looks for tokens in {', '.join(where)}, and this one comes as `Authorization: Bearer`"
        return [cause.shown(told)]

    def _reads(self, call: Call, callee: access.Workload) -> bool:
        """Whether the proxy looks for a token where this call has it."""
        tokens = self._mesh.guard(callee).tokens
        return tokens is not None and any(not (i.headers or i.parameters or i.cookies) for i in tokens.issuers)

    def _only_noted(self, callee: access.Workload) -> str:
        """``; AuthorizationPolicy default/details is AUDIT``: policies that refuse nobody whatever they say."""
        for policy in self._snapshot.of(authorization.RESOURCE):
            spec, root = objects.spec_of(policy), self._snapshot.root_namespace
            on = selection.attached([policy], root=root, namespace=callee.namespace, labels=callee.labels)
            if on and spec.get("action") == "AUDIT":
                return f"; {objects.title(policy)} has the action AUDIT, which only notes"
        return ""

    def _on_the_way(self, call: Call) -> list[Cause]:
        """Who refuses a call before it comes to the guarded workload: the gateway, or who passes it on."""
        if not call.guarded_by:
            return []
        first = self.refusal(replace(call, guarded_by="", by="", asks=""))
        return first or (self.refusal(replace(call, guarded_by=call.by, by="", asks="")) if call.by else [])

    def _without_issuer(self, callee: access.Workload) -> list[Cause]:
        tokens = self._mesh.guard(callee).tokens
        if tokens is None:
            sentence = f"no RequestAuthentication speaks of {callee.name}, so a token is not even looked at"
            return [cause.undecided(sentence)]
        issuers = ", ".join(issuer.issuer for issuer in tokens.issuers)
        return [cause.shown(f"{callee.name} believes tokens of {issuers}, and this one is let through")]

    def _bad_token(self, call: Call, callee: access.Workload) -> str:
        tokens = self._mesh.guard(callee).tokens
        if tokens is None or call.token is None:
            return "the token is refused"
        named = [issuer for issuer in tokens.issuers if issuer.issuer == call.token.claims["iss"]]
        if not named:
            issuers = ", ".join(issuer.issuer for issuer in tokens.issuers)
            return f"the token is by {call.token.claims['iss']}, and {callee.name} believes {issuers} alone"
        if (audiences := named[0].audiences) and not {*audiences} & {*_list(call.token.claims.get("aud"))}:
            return f"`audiences` asks for {' or '.join(audiences)}, and the token names none of them"
        return "the issuer is believed, and the token's signature fits none of its `jwks`"

    def _apart(self, callee: access.Workload, kind: str) -> list[Cause]:
        """Policies that do not count for a workload although somebody may think so, and why."""
        policies = self._snapshot.of(kind)
        root, namespace = self._snapshot.root_namespace, callee.namespace
        attached = selection.attached(policies, root=root, namespace=namespace, labels=callee.labels)
        trials = [p for p in attached if authorization.is_trial(p)]
        dry = [cause.shown(f"{objects.title(p)} is a dry run: it only notes what it would do") for p in trials]
        others = [p for p in policies if not any(p is own for own in attached) and not self._speaks_of_another(p)]
        return [*dry, *(self._why_apart(p, callee) for p in others)]

    def _speaks_of_another(self, policy: Object) -> bool:
        """Whether it chooses a workload by name, so that it was meant for that one."""
        spec, root = objects.spec_of(policy), self._snapshot.root_namespace
        chooses = (spec.get("selector") or {}).get("matchLabels") or selection.targets_of(spec)
        return bool(chooses) and any(
            selection.attached([policy], root=root, namespace=w.namespace, labels=w.labels) for w in self._workloads
        )

    def _why_apart(self, policy: Object, callee: access.Workload) -> Cause:
        namespace, title, spec = resources.namespace_of(policy), objects.title(policy), objects.spec_of(policy)
        if namespace not in (callee.namespace, self._snapshot.root_namespace):
            return cause.silent(
                f"{title} counts in namespace {namespace} alone, and {callee.name} is in {callee.namespace}"
            )
        if (targets := selection.targets_of(spec)) and namespace != callee.namespace:
            return cause.silent(f"`targetRefs` of {title} means objects of its own namespace, which is {namespace}")
        if targets:
            named = ", ".join(f"{target.get('kind')} {target.get('name')}" for target in targets)
            return cause.silent(f"`targetRefs` of {title} names {named}, which is not the Gateway of {callee.name}")
        labels: Mapping[str, Any] = (spec.get("selector") or {}).get("matchLabels") or {}
        wrong = {key: value for key, value in labels.items() if callee.labels.get(key) != value}
        others = [w.labels[key] for w in self._workloads for key in wrong if key in w.labels]
        meant = objects.did_you_mean(str(next(iter(wrong.values()), "")), others)
        return cause.silent(
            f"the selector of {title} asks for {objects.pairs(wrong)}, which {callee.name} does not have{meant}"
        )

    def _name(self, call: Call) -> str:
        return (
            call.guarded_by or call.service.partition(":")[0] or (f"{call.through}-istio" if call.through else GATEWAY)
        )

    def _callee(self, call: Call) -> access.Workload | None:
        name = self._name(call)
        return self._named(name)

    def _named(self, name: str) -> access.Workload | None:
        """By its name or by its label ``app``."""
        return next((w for w in self._workloads if name in (w.name, w.labels.get("app"))), None)

    def _caller(self, call: Call) -> Caller:
        claims = call.token.claims if call.token and self.believes(call) else {}
        name = "curl" if call.service else (call.by or GATEWAY) if call.guarded_by else ""
        workload = self._named(name) if name else None
        return Caller(principal=workload.principal() if workload else "", claims=claims)

    def _request(self, call: Call) -> Request:
        asked, slash, rest = call.asks.partition("/")
        host, path = asked or call.service, slash + rest or call.path
        headers = {name.lower(): value for name, value in call.headers.items()}
        return Request(
            port=self._pod_port(host or "productpage:9080"),
            method=call.method,
            host=host,
            path=paths.normalized(path) or "",
            headers=headers,
        )

    def _pod_port(self, service: str) -> int:
        """The port of the pods behind ``httpbin:8000``, which policies speak of."""
        name, _, number = service.partition(":")
        for candidate in self._snapshot.of(_key(resources.SERVICES)):
            if (resources.name_of(candidate), resources.namespace_of(candidate)) == (name, self._namespace):
                targets = {
                    str(p["port"]): p.get("targetPort") or p["port"] for p in objects.spec_of(candidate)["ports"]
                }
                target = targets.get(number, number)
                return int(target) if str(target).isdecimal() else int(number)
        return int(number or 80)


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _key(kind: resources.Resource) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
