"""Lesson 11, mutual TLS."""

from labkit.exercises import verdict
from labkit.exercises.diagnosis import breakers, cause, encryption, objects
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.mesh.explain.mutual_tls import DISABLE, MUTUAL, PERMISSIVE, STRICT

STRICT_ONES = ("productpage", "reviews", "ratings")
HTTPBIN = {"app": "httpbin", "version": "v1"}
PORT = 8080
"""httpbin's pods listen there; its Service has 8000."""


def all_but_details(evidence: Evidence) -> Verdict:
    """Whether Bookinfo is STRICT, and details alone takes plain text."""
    expected = f"{', '.join(STRICT_ONES)} STRICT, details PERMISSIVE"
    mesh = encryption.read(evidence)
    for service in ("details", *STRICT_ONES):
        asked = PERMISSIVE if service == "details" else STRICT
        if causes := mesh.of_mode(service, asked):
            return verdict.because(expected, _observed(mesh), causes)
    return verdict.passed(expected, _observed(mesh))


def _observed(mesh: encryption.Encryption) -> str:
    modes = {name: dict.fromkeys(port.mode for port in mesh.ports(name)) for name in ("details", *STRICT_ONES)}
    return ", ".join(f"{name} {' and '.join(seen) or 'not there'}" for name, seen in modes.items())


def one_port(evidence: Evidence) -> Verdict:
    """Whether httpbin is STRICT, apart from the port that its pods listen on."""
    expected = f"httpbin STRICT, and PERMISSIVE on port {PORT} of its pods"
    mesh = encryption.read(evidence)
    ports = mesh.ports("httpbin")
    if not ports:
        step = 'lab.apply("manifests/httpbin-and-fortio.yaml")'
        return verdict.because(expected, "httpbin has no ready pod", [cause.shown("httpbin is not there", step)])
    modes = mesh.modes(HTTPBIN)
    observed = f"httpbin {modes.default}, port {PORT} {modes.of(PORT)}"
    if modes.of(PORT) == PERMISSIVE and modes.default == STRICT:
        return verdict.passed(expected, observed)
    if modes.default != STRICT:
        by = modes.source_of(0) or "no policy"
        why = f"all ports of httpbin are {modes.default} ({by}): only {PORT} should differ"
        return verdict.because(expected, observed, [*mesh.silent("httpbin"), cause.shown(why)])
    if modes.of(PORT) == DISABLE:
        why = "DISABLE takes plain text only: callers in the mesh lose their encryption too"
        return verdict.because(expected, observed, [cause.shown(why)])
    problems = [problem for port in ports for problem in port.problems if "portLevelMtls" in problem]
    causes = [*map(cause.shown, problems), *mesh.silent("httpbin")]
    others = ", ".join(map(str, modes.ports)) or "no port"
    causes.append(cause.shown(f"portLevelMtls speaks of {others}, and httpbin's pods listen on {PORT}"))
    return verdict.because(expected, observed, causes)


def reviews_again(evidence: Evidence) -> Verdict:
    """Whether reviews answers again, over mutual TLS, and stays STRICT."""
    expected = "reviews STRICT, and its callers send mutual TLS"
    mesh = encryption.read(evidence)
    if causes := mesh.of_mode("reviews", STRICT):
        step = "the policy is right; what do callers send? lab.mtls('reviews')"
        return verdict.not_yet(expected, "reviews is no longer STRICT", cause=causes[0].sentence, next_step=step)
    ports = mesh.ports("reviews")
    failing = next((port for port in ports if port.problems or port.meshed_clients != MUTUAL), None)
    if failing is None:
        return verdict.passed(expected, f"callers send {MUTUAL} ({ports[0].because})")
    sent = f"{failing.workload}: callers send {failing.meshed_clients}"
    why = cause.shown(f"{failing.because}; {STRICT} takes {MUTUAL} only")
    return verdict.because(expected, sent, [*_ignored_rules(evidence), why])


def _ignored_rules(evidence: Evidence) -> list[cause.Cause]:
    """DestinationRules with tls that look as if they were for reviews, and that its caller does not have."""
    decision = decisions.of(evidence, Ask(proxy="productpage", host="reviews:9080", path="/reviews/0"))
    if decision is None or not decision.targets:
        return []
    return breakers.without_a_say(decision.targets[0], objects.read(evidence), "tls")


def renewed_after(evidence: Evidence) -> Verdict:
    """Whether the filed number is five."""
    return verdict.number(
        evidence.answer("11-4"),
        5,
        what="minutes until the next certificate",
        shows="at half of its life, so that nobody ever meets an expired one",
        causes={
            10: "after ten minutes it has expired: the next one has to be there before",
            12: "a certificate begins two minutes in the past, which changes nothing about its end",
            2.5: "at half of its life, not at a quarter",
            9: "the last minute would be late: one failed attempt, and the workload has no certificate",
            600: "file minutes, not seconds",
            300: "that is right in seconds; file minutes",
        },
        other="the next one comes when half of the ten minutes is over",
    )


def _policy(mode: str, *, name: str = "default", app: str = "", namespace: str = "default", more: str = "") -> str:
    selector = f"  selector: {{matchLabels: {{app: {app}}}}}\n" if app else ""
    return (
        f"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{selector}  mtls: {{mode: {mode}}}\n{more}"
    )


def _port(number: int, mode: str = PERMISSIVE) -> str:
    return f"  portLevelMtls: {{{number}: {{mode: {mode}}}}}\n"


def _rule(policy: str, *, name: str = "reviews") -> str:
    return (
        f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\n"
        f"spec:\n  host: reviews\n{policy}"
    )


DETAILS = _policy(PERMISSIVE, name="details", app="details")

EXERCISES = (
    Exercise(
        id="11-1",
        task="Let Bookinfo take mutual TLS only, and let details take plain text as well, for the old client.",
        done_when="productpage, reviews and ratings are STRICT, and details is PERMISSIVE",
        check=all_but_details,
        hints=(
            "You need two policies: one for the namespace, one for a workload.",
            "The second has a selector with matchLabels, and wins over the first for these pods.",
            "Apply manifests/strict.yaml and manifests/details-permissive.yaml.",
        ),
        solution=f"{_policy(STRICT)}---\n{DETAILS}",
        right=(
            Right(how="for the whole mesh", yaml=f"{_policy(STRICT, namespace='istio-system')}---\n{DETAILS}"),
            Right(
                how="by port",
                yaml=f"{_policy(STRICT)}---\n{_policy(STRICT, name='old', app='details', more=_port(9080))}",
            ),
        ),
        wrong=(
            Wrong(why="strict for all", yaml=_policy(STRICT), says="port 9080 of details is STRICT, not PERMISSIVE"),
            Wrong(why="only details", yaml=DETAILS, says="of productpage is PERMISSIVE, not STRICT (no policy"),
            Wrong(
                why="a misspelt label",
                yaml=f"{_policy(STRICT)}---\n{_policy(PERMISSIVE, name='details', app='detials')}",
                says="selects app=detials, and no pod has these labels; did you mean details?",
            ),
            Wrong(
                why="no encryption at all",
                yaml=f"{_policy(STRICT)}---\n{_policy(DISABLE, name='details', app='details')}",
                says="of details is DISABLE, not PERMISSIVE (PeerAuthentication default/details)",
            ),
            Wrong(
                why="the exception in the root namespace",
                yaml=f"{_policy(STRICT)}---\n"
                f"{_policy(PERMISSIVE, name='details', app='details', namespace='istio-system')}",
                says="selects workloads of istio-system alone, and there a selector has no effect",
            ),
            Wrong(
                why="the exception in another namespace",
                yaml=f"{_policy(STRICT)}---\n{_policy(PERMISSIVE, name='details', app='details', namespace='legacy')}",
                says="selects pods of its own namespace, and details is in default",
            ),
        ),
    ),
    Exercise(
        id="11-2",
        task="The policy for httpbin should allow plain text on one port, and does not. Repair it.",
        done_when="httpbin is STRICT, and PERMISSIVE on the port that its pods listen on",
        check=one_port,
        given=("httpbin-port.yaml",),
        hints=(
            'lab.mtls("httpbin") names the setting that has no effect.',
            "portLevelMtls takes pod ports; 8000 is the Service's. kubectl get service httpbin -o yaml shows both.",
            "portLevelMtls: {8080: {mode: PERMISSIVE}}",
        ),
        solution=_policy(STRICT, name="httpbin", app="httpbin", more=_port(PORT)),
        right=(
            Right(
                how="STRICT from the namespace",
                yaml=f"{_policy(STRICT)}---\n{_policy('UNSET', name='httpbin', app='httpbin', more=_port(PORT))}",
            ),
        ),
        wrong=(
            Wrong(
                why="all of its ports",
                yaml=_policy(PERMISSIVE, name="httpbin", app="httpbin"),
                says="all ports of httpbin are PERMISSIVE (default/httpbin)",
            ),
            Wrong(
                why="the Service's port",
                yaml=_policy(STRICT, name="httpbin", app="httpbin", more=_port(8000, DISABLE)),
                says="portLevelMtls 8000 is the Service's port and changes nothing: the pods' port is 8080",
            ),
            Wrong(
                why="a port of nobody",
                yaml=_policy(STRICT, name="httpbin", app="httpbin", more=_port(80)),
                says="portLevelMtls speaks of 80, and httpbin's pods listen on 8080",
            ),
            Wrong(
                why="without encryption",
                yaml=_policy(STRICT, name="httpbin", app="httpbin", more=_port(PORT, DISABLE)),
                says="DISABLE takes plain text only",
            ),
            Wrong(
                why="no port",
                yaml=_policy(STRICT, name="httpbin", app="httpbin"),
                says="portLevelMtls speaks of no port",
            ),
            Wrong(
                why="in a younger policy",
                yaml=_policy(STRICT, name="second", app="httpbin", more=_port(PORT)),
                says="portLevelMtls 8000 is the Service's port",
            ),
        ),
    ),
    Exercise(
        id="11-3",
        task="Since the namespace is STRICT, the page has no reviews. Repair that, and leave the policy as it is.",
        done_when="reviews is STRICT, and its callers send mutual TLS",
        check=reviews_again,
        given=("strict.yaml", "reviews-plain.yaml"),
        hints=(
            'What do clients with a sidecar send? lab.mtls("reviews") shows it, with the reason.',
            "A DestinationRule with tls replaces the choice that auto mTLS makes.",
            "Take tls out of DestinationRule reviews, or set its mode to ISTIO_MUTUAL.",
        ),
        solution=_rule("  trafficPolicy:\n    tls: {mode: ISTIO_MUTUAL}\n"),
        right=(
            Right(how="without tls", yaml=_rule("  trafficPolicy: {connectionPool: {tcp: {maxConnections: 100}}}\n")),
            Right(how="without the rule", deletes=_rule("")),
        ),
        wrong=(
            Wrong(
                why="a softer policy", yaml=_policy(PERMISSIVE), says="is PERMISSIVE, not STRICT (PeerAuthentication"
            ),
            Wrong(
                why="TLS of one's own",
                yaml=_rule("  trafficPolicy:\n    tls: {mode: SIMPLE}\n"),
                says="callers send TLS DestinationRule",
            ),
            Wrong(
                why="for a port that nobody calls",
                yaml=_rule(
                    "  trafficPolicy:\n    tls: {mode: DISABLE}\n    portLevelSettings:\n"
                    "    - {port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}\n"
                ),
                says="DestinationRule default/reviews: DISABLE; STRICT takes mutual TLS only",
            ),
            Wrong(
                why="in a second rule",
                yaml=_rule("  trafficPolicy:\n    tls: {mode: ISTIO_MUTUAL}\n", name="reviews-mutual"),
                says="the proxy has the settings of DestinationRule default/reviews, and those of DestinationRule",
            ),
            Wrong(
                why="an exception for reviews",
                yaml=_policy(DISABLE, name="reviews", app="reviews"),
                says="is DISABLE, not STRICT (PeerAuthentication default/reviews)",
            ),
        ),
    ),
    Exercise(
        id="11-4",
        task="A workload asks for certificates of ten minutes. After how many minutes does it get the next one?",
        done_when="the number you filed is right",
        check=renewed_after,
        hints=(
            "In the lesson, a certificate of one minute was replaced after how many seconds?",
            "It is renewed when half of its life is over.",
            "Half of ten minutes.",
        ),
        answer=5,
        right=(Right(how="in words", answer="five minutes"),),
        wrong=(
            Wrong(why="at its end", answer=10, says="after ten minutes it has expired"),
            Wrong(why="just before the end", answer=9, says="the last minute would be late"),
            Wrong(why="with the two minutes", answer=12, says="two minutes in the past"),
            Wrong(why="in seconds", answer=300, says="file minutes"),
            Wrong(why="a quarter", answer=2.5, says="not at a quarter"),
        ),
    ),
)
