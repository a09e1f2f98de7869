"""Facts 24 to 27: who may call whom in plain text, and who is told who calls; two namespaces are in the mesh."""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labkit.base import waiting
from labkit.conformance.facts import clients
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import BESIDE, NAMESPACE, OUTSIDE, Ground

WORDS = {NAMESPACE: "foo", BESIDE: "bar", OUTSIDE: "legacy"}
"""What Istio's task calls them."""

WAYS = tuple(itertools.product(WORDS, WORDS))
RECEIVE_FAILED = 56
"""curl's exit code: the other side closed the connection."""

DRAINED = 90.0
"""Seconds; a client's pooled connection goes on as it began until the server's Envoy has drained it."""

CERTIFICATE = "X-Forwarded-Client-Cert"
END = "=====\n"
WRITTEN = f"\n%{{http_code}} %{{exitcode}}\n{END}"

Way = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: str
    exit_code: str
    certificate: str
    """``X-Forwarded-Client-Cert``, as the server was told."""


def _deployed(ground: Ground) -> None:
    for namespace in WORDS:
        ground.deploy("httpbin/httpbin.yaml", "curl/curl.yaml", namespace=namespace)


def _answers(ground: Ground, sources: Iterable[str] = WORDS) -> dict[Way, _Answer]:
    """One request each way, the clients' in one command each."""
    answers: dict[Way, _Answer] = {}
    for source in sources:
        urls = [f"http://httpbin.{target}:8000/headers" for target in WORDS]
        words = ["-n", source, "exec", "deploy/curl", "-c", "curl", "--", "curl", "-s", "-m", "10", "-w", WRITTEN]
        parts = ground.kubectl.run([*words, *urls]).out.split(END)
        answers |= {(source, target): _read(part) for target, part in zip(WORDS, parts, strict=False)}
    return answers


def _read(text: str) -> _Answer:
    body, _, numbers = text.rstrip("\n").rpartition("\n")
    status, _, code = numbers.partition(" ")
    headers = json.loads(body).get("headers") or {} if body.strip() else {}
    return _Answer(status=status, exit_code=code, certificate=str((headers.get(CERTIFICATE) or [""])[0]))


def _fail_alone(ground: Ground, checks: Checks, failing: set[Way]) -> Mapping[Way, _Answer]:
    """Exactly these ways are refused, as a client without a sidecar sees it; all others answer 200."""
    expected = {way: ("000", str(RECEIVE_FAILED)) if way in failing else ("200", "0") for way in WAYS}
    legacy = {way: code for way, (_, code) in expected.items() if way[0] == OUTSIDE}
    # A real mesh takes a while until a change is everywhere.
    waiting.until(
        lambda: {way: answer.exit_code for way, answer in _answers(ground, [OUTSIDE]).items()} == legacy,
        what="the answers to clients without a sidecar",
        timeout=clients.LIVE_WITHIN,
        next_step="kubectl get peerauthentications -A",
    )
    answers = _answers(ground)
    seen = {way: (answer.status, answer.exit_code) for way, answer in answers.items()}
    wrong = {_named(way): seen[way] for way in WAYS if seen[way] != expected[way]}
    words = ", ".join(map(_named, sorted(failing))) or "none"
    checks.see(f"refused with exit {RECEIVE_FAILED}: {words}" + (f"; but {wrong}" if wrong else ""), not wrong)
    return answers


def _named(way: Way) -> str:
    return "→".join(WORDS[namespace] for namespace in way)


def _no_policy(ground: Ground, checks: Checks) -> None:
    _deployed(ground)
    ground.rules()
    answers = _fail_alone(ground, checks, set())
    inside = {way: answer.certificate for way, answer in answers.items() if OUTSIDE not in way}
    unnamed = {
        _named(way): shown or "nothing"
        for way, shown in inside.items()
        if not (shown.startswith(_by(way)) and shown.endswith(_uri(way)))
    }
    checks.see(f"mesh→mesh names both{f', but {unnamed}' if unnamed else ''}", not unnamed)
    checks.equal("others' certificates", sum(bool(a.certificate) for w, a in answers.items() if OUTSIDE in w), 0)


def _by(way: Way) -> str:
    return f"By=spiffe://cluster.local/ns/{way[1]}/sa/httpbin"


def _uri(way: Way) -> str:
    return f"URI=spiffe://cluster.local/ns/{way[0]}/sa/curl"


def _strict_mesh(ground: Ground, checks: Checks) -> None:
    _deployed(ground)
    ground.rules("strict-mesh.yaml")
    _fail_alone(ground, checks, {(OUTSIDE, NAMESPACE), (OUTSIDE, BESIDE)})


def _strict_namespace(ground: Ground, checks: Checks) -> None:
    _deployed(ground)
    ground.rules("strict-namespace.yaml")
    _fail_alone(ground, checks, {(OUTSIDE, NAMESPACE)})


def _ports(ground: Ground, checks: Checks) -> None:
    _deployed(ground)
    ground.rules("strict-namespace.yaml", "permissive-httpbin.yaml")
    _fail_alone(ground, checks, set())
    ground.rules("strict-namespace.yaml", "port-of-the-service.yaml")
    _fail_alone(ground, checks, {(OUTSIDE, NAMESPACE)})
    ground.rules("strict-namespace.yaml", "port-of-the-pod.yaml")
    _fail_alone(ground, checks, set())
    waiting.until(
        lambda: not _answers(ground, [BESIDE])[BESIDE, NAMESPACE].certificate,
        what="plain text from bar to foo",
        timeout=DRAINED,
        next_step="kubectl get peerauthentications -A",
    )
    checks.see("meshed callers follow in plain text", True)


FACTS = (
    Fact(
        number=24,
        sentence="Without a policy everybody may call; only calls within the mesh are encrypted and name their caller.",
        asked="9 of 9 ways 200; X-Forwarded-Client-Cert By and URI for mesh→mesh alone",
        measure=_no_policy,
    ),
    Fact(
        number=25,
        sentence="Mesh-wide STRICT refuses plain text in every namespace of the mesh.",
        asked=f"legacy→foo and legacy→bar 000, exit {RECEIVE_FAILED}; all others 200",
        measure=_strict_mesh,
    ),
    Fact(
        number=26,
        sentence="STRICT in one namespace refuses plain text there alone.",
        asked=f"legacy→foo 000, exit {RECEIVE_FAILED}; all others 200",
        measure=_strict_namespace,
    ),
    Fact(
        number=27,
        sentence="A workload's policy beats its namespace's; portLevelMtls names the pod's port, and callers follow.",
        asked="PERMISSIVE 200; port 8000 (the Service's) changes nothing; port 8080 (the pod's) 200 in plain text",
        measure=_ports,
    ),
)
