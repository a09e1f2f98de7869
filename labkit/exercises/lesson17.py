"""Lesson 17, traces: how many are kept, who breaks them, and where their time goes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.diagnosis.cause import Cause, shown, undecided
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.model import Config, Resource

ROOT = "istio-system"
ASKED = 25.0
"""Per cent of the requests."""

GATEWAY_LABELS = {"istio": "ingressgateway", "app": "istio-ingressgateway"}


def one_in_four(evidence: Evidence) -> Verdict:
    """Whether the gateway begins a trace for a quarter of the requests."""
    expected = f"the ingress gateway begins a trace for {ASKED:g} % of the requests, and sends its spans to Jaeger"
    config = evidence.config(GATEWAY)
    percent = sampling(config) if config else None
    telemetries = evidence.everywhere(resources.TELEMETRIES)
    if percent is None:
        observed = "the gateway sends no spans" if config else "there is no ingress gateway with an Envoy"
        return verdict.because(expected, observed, list(_silent(telemetries)))
    observed = f"it begins a trace for {percent:g} %"
    if percent == ASKED:
        return verdict.passed(expected, observed)
    return verdict.because(expected, observed, list(_other(telemetries, percent)))


def sampling(config: Config) -> float | None:
    """The share in per cent by which a gateway's proxy samples; None where it traces nothing."""
    for listener in config.listeners.values():
        for manager in _managers(listener):
            tracing = manager.get("tracing")
            if tracing and tracing.get("provider"):
                return float((tracing.get("random_sampling") or {}).get("value", 0.0))
    return None


def _managers(listener: Resource) -> Iterator[Mapping[str, Any]]:
    for chain in listener.get("filter_chains") or []:
        for entry in chain.get("filters") or []:
            if entry["name"] == "envoy.filters.network.http_connection_manager":
                yield entry.get("typed_config") or {}


def _entries(telemetry: Object) -> list[Mapping[str, Any]]:
    return [entry for entry in (telemetry.get("spec") or {}).get("tracing") or [] if isinstance(entry, dict)]


def _percent(telemetry: Object) -> float | None:
    given = [entry.get("randomSamplingPercentage") for entry in _entries(telemetry)]
    return next((float(number) for number in given if isinstance(number, int | float)), None)


def _name(telemetry: Object) -> str:
    return f"Telemetry {resources.namespace_of(telemetry)}/{resources.name_of(telemetry)}"


def _selector(telemetry: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = ((telemetry.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return labels


def _silent(telemetries: list[Object]) -> Iterator[Cause]:
    """Why the gateway sends nothing."""
    speaking = [t for t in telemetries if _entries(t) and resources.namespace_of(t) == ROOT]
    if not speaking:
        yield shown(f"no Telemetry in {ROOT} says anything of tracing: manifests/tracing.yaml does")
    for telemetry in speaking:
        for entry in _entries(telemetry):
            if entry.get("disableSpanReporting"):
                yield shown(f"{_name(telemetry)} has disableSpanReporting: nothing is sent")
            names = [str(provider.get("name")) for provider in entry.get("providers") or []]
            if names and names[0] not in ("jaeger", "zipkin"):
                yield shown(f"{_name(telemetry)} names the provider {names[0]}, which the mesh's configuration lacks")
    yield undecided("the gateway's proxy has no provider for its spans")


def _other(telemetries: list[Object], percent: float) -> Iterator[Cause]:
    """Why the gateway samples another share."""
    if percent == ASKED / 100:
        yield shown("randomSamplingPercentage is per cent: 0.25 is one request in four hundred, 25 is one in four")
    general = [t for t in telemetries if resources.namespace_of(t) == ROOT and not _selector(t)]
    for telemetry in [t for t in telemetries if _percent(t) == ASKED]:
        space, selector = resources.namespace_of(telemetry), _selector(telemetry)
        if space != ROOT:
            yield shown(
                f"{_name(telemetry)} speaks for namespace {space} alone: whether a request is traced is decided by the "
                f"first proxy on its way, the gateway in {ROOT}"
            )
        elif selector and not selector.items() <= GATEWAY_LABELS.items():
            labels = ", ".join(f"{key}: {value}" for key, value in selector.items())
            yield shown(f"the selector of {_name(telemetry)} ({labels}) does not match the gateway's pods")
        elif general and general[0] is not telemetry:
            yield shown(f"of several Telemetries for the whole mesh the oldest counts: {_name(general[0])}")
    given = [t for t in telemetries if _percent(t) is not None and resources.namespace_of(t) == ROOT]
    for telemetry in given:
        yield shown(f"{_name(telemetry)} asks for {_percent(telemetry):g} %, and {ASKED:g} % is asked for")
    yield undecided("no Telemetry asks for a share, so the mesh's own applies")


SERVICES = ("istio-ingressgateway", "productpage", "details", "reviews", "ratings")
SHORT = {"gateway": "istio-ingressgateway", "ingressgateway": "istio-ingressgateway"}


def service_in(answer: object) -> str:
    """The service that a filed answer names; empty when it names none, or several."""
    words = re.findall(r"[a-z-]+", str(answer).lower().replace("_", "-"))
    named = {SHORT.get(word, word) for word in (re.sub(r"-v$", "", word).strip("-") for word in words)}
    services = [service for service in SERVICES if service in named]
    return services[0] if len(services) == 1 else ""


def _named(evidence: Evidence, id: str, right: str, *, what: str, shows: str, causes: Mapping[str, str]) -> Verdict:
    expected, answer = f"the name of {what}", evidence.answer(id)
    if answer is None:
        return verdict.not_yet(expected, "nothing is filed", cause=f'lab.answer("{id}", "name") files it')
    service = service_in(answer)
    if not service:
        listed = ", ".join(SERVICES)
        return verdict.not_yet(expected, f"{answer!r} is filed", cause=f"it names none of {listed}, or more than one")
    if service == right:
        return verdict.passed(expected, f"{service}: {shows}")
    return verdict.not_yet(expected, f"{service} is filed", cause=causes[service])


def loser(evidence: Evidence) -> Verdict:
    """Whether the service that forgets the headers is named."""
    return _named(
        evidence,
        "17-2",
        "reviews",
        what="the service that breaks the trace",
        shows="its proxy got the headers, and the call that it makes to ratings begins a trace of its own",
        causes={
            "ratings": "ratings calls nobody, so it has nothing to hand on: its span begins the broken-off part",
            "details": "details calls nobody, so it has nothing to hand on",
            "productpage": "its calls to details and to reviews are both in its trace: it handed the headers on",
            "istio-ingressgateway": "the gateway is a proxy: it writes the headers itself, and its span is the root",
        },
    )


def waiter(evidence: Evidence) -> Verdict:
    """Whether the service is named in whose proxy the time passes."""
    return _named(
        evidence,
        "17-3",
        "productpage",
        what="the service in whose proxy the time passes",
        shows="its span of the call to details is long, and the span of details below it short",
        causes={
            "details": "the span of details itself takes a few milliseconds: the time passes before it is asked",
            "reviews": "the spans of reviews are as short as ever, and they begin when the wait is over",
            "ratings": "the spans of ratings are as short as ever",
            "istio-ingressgateway": "the gateway waits for all below it: go down to the last long span",
        },
    )


def telemetry(percent: str = "25", *, name: str = "tracing", space: str = ROOT, more: str = "", entry: str = "") -> str:
    """A Telemetry as a learner would write it."""
    return (
        "apiVersion: telemetry.istio.io/v1\n"
        "kind: Telemetry\n"
        f"metadata: {{name: {name}, namespace: {space}}}\n"
        f"spec:\n{more}"
        "  tracing:\n"
        f"  - randomSamplingPercentage: {percent}\n"
        f"{entry or '    providers: [{name: jaeger}]'}\n"
    )


def _selecting(label: str) -> str:
    return f"  selector: {{matchLabels: {{{label}}}}}\n"


EXERCISES = (
    Exercise(
        id="17-1",
        task="All requests are traced. Let the ingress gateway trace one request in four.",
        done_when="the gateway samples 25 %, and its spans still go to Jaeger",
        check=one_in_four,
        given=("tracing.yaml",),
        hints=(
            "The first proxy on a request's path decides whether it is traced.",
            "The gateway runs in istio-system, and the Telemetry tracing there applies to the whole mesh.",
            "Apply manifests/tracing.yaml again, with randomSamplingPercentage: 25.",
        ),
        solution=telemetry(),
        wrong=(
            Wrong(why="another namespace", yaml=telemetry(space="default"), says="speaks for namespace default alone"),
            Wrong(why="a part of one", yaml=telemetry("0.25"), says="0.25 is one request in four hundred"),
            Wrong(why="a second for the mesh", yaml=telemetry(name="quarter"), says="the oldest counts"),
            Wrong(
                why="an unknown provider",
                yaml=telemetry(entry="    providers: [{name: jager}]"),
                says="names the provider jager, which the mesh's configuration lacks",
            ),
            Wrong(
                why="another workload",
                yaml=telemetry(name="quarter", more=_selecting("app: productpage")),
                says="does not match the gateway's pods",
            ),
            Wrong(why="another share", yaml=telemetry("10"), says="asks for 10 %, and 25 % is asked for"),
            Wrong(
                why="switched off",
                yaml=telemetry(entry="    disableSpanReporting: true"),
                says="disableSpanReporting: nothing is sent",
            ),
        ),
        right=(
            Right(
                how="for the gateway alone",
                yaml=telemetry(name="gateway", more=_selecting("istio: ingressgateway")),
            ),
        ),
    ),
    Exercise(
        id="17-2",
        task="Which service does not copy the trace headers to its own calls? File its name.",
        done_when="you have filed the service whose call begins another trace",
        check=loser,
        hints=(
            "Look at the last service that is still in the trace of the page, and at what it calls.",
            'lab.traces("ratings")[0] is the trace that ratings is part of. Whose span is its root?',
            "The root of that trace is a client span: its service sent the request without the headers.",
        ),
        answer="reviews",
        wrong=(
            Wrong(why="who is missing", answer="ratings", says="ratings calls nobody"),
            Wrong(why="the page", answer="productpage", says="both in its trace"),
            Wrong(why="the other leaf", answer="details", says="details calls nobody"),
            Wrong(why="the gateway", answer="the ingress gateway", says="the gateway is a proxy"),
            Wrong(why="nobody", answer="jaeger", says="names none of"),
        ),
        right=(Right(how="with its version", answer="reviews-v4"),),
    ),
    Exercise(
        id="17-3",
        task="The page is slow. In which service's proxy does the request wait? File the service's name.",
        done_when="you have filed the service whose span is long while the spans below it are short",
        check=waiter,
        hints=(
            "lab.traced() draws one request. Follow the long bars down.",
            "A client span is long, and the server span below it is short. The request waits between the two.",
            "The client span below productpage's server span belongs to productpage's own proxy.",
        ),
        answer="productpage",
        wrong=(
            Wrong(why="who is called", answer="details", says="takes a few milliseconds"),
            Wrong(why="another branch", answer="reviews", says="as short as ever, and they begin"),
            Wrong(why="a leaf", answer="ratings", says="the spans of ratings are as short as ever"),
            Wrong(why="the first", answer="gateway", says="waits for all below"),
            Wrong(why="two", answer="productpage or details", says="or more than one"),
        ),
        right=(Right(how="its proxy", answer="the sidecar of productpage"),),
    ),
)
