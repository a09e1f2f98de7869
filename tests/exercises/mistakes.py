"""The classical mistakes, as changes of a right answer, and what a verdict has to say of each.

A change gives None where it does not apply to the answer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from labkit.kube import resources

Objects = list[dict[str, Any]]
Change = Callable[[Objects], Objects | None]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One of them."""

    name: str
    change: Change
    says: tuple[str, ...]
    """Parts of the cause; one of them has to be there."""

    spares: Mapping[str, str] = field(default_factory=dict)
    """Exercises where the change is no mistake, or another one, and why."""


def spoiled(mistake: Mistake, answer: Sequence[Mapping[str, Any]]) -> Objects | None:
    """The answer with the mistake in it."""
    return mistake.change(json.loads(json.dumps(list(answer))))  # nothing is shared, as it would be in a deep copy


def _rules(objects: Objects) -> Objects:
    return [o for o in objects if o["kind"] == "VirtualService"]


def _subsets(objects: Objects) -> Objects:
    return [o for o in objects if o["kind"] == "DestinationRule"]


def _misspelt(word: str) -> str:
    """Two letters have changed places."""
    return f"{word[:2]}{word[3]}{word[2]}{word[4:]}"


def _is_service(host: str) -> bool:
    return "." not in host and host != "*"


def a_misspelt_host(objects: Objects) -> Objects | None:
    for rule in [*_rules(objects), *_subsets(objects)]:
        spec = rule["spec"]
        if _is_service(spec.get("host", "*")):
            spec["host"] = _misspelt(spec["host"])
            rule["metadata"]["name"] = "misspelt"
            return objects
        if any(_is_service(host) for host in spec.get("hosts") or ()):
            spec["hosts"] = [_misspelt(host) for host in spec["hosts"]]
            rule["metadata"]["name"] = "misspelt"
            return objects
    return None


def _destinations(objects: Objects) -> list[dict[str, Any]]:
    return [
        entry["destination"] for rule in _rules(objects) for http in rule["spec"]["http"] for entry in http["route"]
    ]


def a_misspelt_destination(objects: Objects) -> Objects | None:
    named = [to for to in _destinations(objects) if _is_service(to["host"])]
    for to in named:
        to["host"] = _misspelt(to["host"])
    return objects if named else None


def a_misspelt_subset(objects: Objects) -> Objects | None:
    named = [to for to in _destinations(objects) if "subset" in to]
    for to in named:
        to["subset"] = f"{to['subset']}x"
    return objects if named else None


def a_misspelt_gateway(objects: Objects) -> Objects | None:
    bound = [rule for rule in _rules(objects) if rule["spec"].get("gateways")]
    for rule in bound:
        rule["spec"]["gateways"] = [_misspelt(name) for name in rule["spec"]["gateways"]]
    return objects if bound else None


def no_gateway(objects: Objects) -> Objects | None:
    # Without a gateway "*" is refused when it is applied.
    bound = [r for r in _rules(objects) if r["spec"].get("gateways") and "*" not in r["spec"]["hosts"]]
    for rule in bound:
        del rule["spec"]["gateways"]
    return objects if bound else None


def the_gateway_only(objects: Objects) -> Objects | None:
    bound = [rule for rule in _rules(objects) if not rule["spec"].get("gateways")]
    for rule in bound:
        rule["spec"]["gateways"] = ["bookinfo-gateway"]
    return objects if bound else None


def another_namespace(objects: Objects) -> Objects | None:
    own = [o for o in [*_rules(objects), *_subsets(objects)] if _is_service(_host(o)) or o["spec"].get("gateways")]
    for obj in own:
        obj["metadata"]["namespace"] = "istio-system"
    return objects if own else None


def _host(obj: Mapping[str, Any]) -> str:
    return str(obj["spec"].get("host") or obj["spec"]["hosts"][0])


def a_second_object(objects: Objects) -> Objects | None:
    """Another VirtualService for reviews, beside the one that the lesson has applied."""
    own = [rule for rule in _rules(objects) if _host(rule) == "reviews"]
    for rule in own:
        rule["metadata"]["name"] = "reviews-mine"
    return objects if own else None


def _headers(objects: Objects) -> list[dict[str, Any]]:
    return [
        m["headers"] for r in _rules(objects) for h in r["spec"]["http"] for m in h.get("match") or () if "headers" in m
    ]


def a_misspelt_header(objects: Objects) -> Objects | None:
    every = _headers(objects)
    for headers in every:
        name = next(iter(headers))
        headers[f"{name[:-2]}{name[-1]}"] = headers.pop(name)
    return objects if every else None


def a_capital_letter(objects: Objects) -> Objects | None:
    exact = [c for headers in _headers(objects) for c in headers.values() if "exact" in c]
    for condition in exact:
        condition["exact"] = condition["exact"].capitalize()
    return objects if exact else None


def the_wrong_way_round(objects: Objects) -> Objects | None:
    """A rule for everybody stands first."""
    several = [
        r["spec"] for r in _rules(objects) if len(r["spec"]["http"]) > 1 and not r["spec"]["http"][-1].get("match")
    ]
    for spec in several:
        spec["http"].reverse()
    return objects if several else None


def nobody_else(objects: Objects) -> Objects | None:
    """The rule for the others is missing."""
    several = [
        r["spec"] for r in _rules(objects) if len(r["spec"]["http"]) > 1 and not r["spec"]["http"][-1].get("match")
    ]
    for spec in several:
        spec["http"].pop()
    return objects if several else None


def _shared(objects: Objects) -> list[dict[str, Any]]:
    return [http for rule in _rules(objects) for http in rule["spec"]["http"] if len(http["route"]) > 1]


def a_weight_left_out(objects: Objects) -> Objects | None:
    shared = _shared(objects)
    for http in shared:
        del http["route"][-1]["weight"]
    return objects if shared else None


def other_weights(objects: Objects) -> Objects | None:
    shared = _shared(objects)
    for http in shared:
        http["route"][0]["weight"], http["route"][-1]["weight"] = (
            http["route"][-1]["weight"],
            http["route"][0]["weight"],
        )
    return objects if shared else None


def a_rule_for_each(objects: Objects) -> Objects | None:
    """Several http rules instead of several destinations."""
    own = [rule for rule in _rules(objects) if any(len(http["route"]) > 1 for http in rule["spec"]["http"])]
    for rule in own:
        rule["spec"]["http"] = [{"route": [entry]} for http in rule["spec"]["http"] for entry in http["route"]]
    return objects if own else None


def labels_of_nobody(objects: Objects) -> Objects | None:
    """The last subset has a label that no pod has."""
    own = [rule for rule in _subsets(objects) if rule["spec"].get("subsets")]
    for rule in own:
        rule["spec"]["subsets"][-1]["labels"] = {"version": "v9"}
    return objects if own else None


def no_selector(objects: Objects) -> Objects | None:
    own = [o for o in objects if o["kind"] == "Sidecar" and "workloadSelector" in o["spec"]]
    for sidecar in own:
        del sidecar["spec"]["workloadSelector"]
    return objects if own else None


def an_answer_of_its_own(objects: Objects) -> Objects | None:
    """A redirect instead of a rewrite."""
    own = [http for rule in _rules(objects) for http in rule["spec"]["http"] if "rewrite" in http]
    for http in own:
        http["redirect"] = http.pop("rewrite")
        del http["route"]
    return objects if own else None


def a_path_that_is_not_there(objects: Objects) -> Objects | None:
    """A rewrite to a path that the application lacks."""
    own = [http for rule in _rules(objects) for http in rule["spec"]["http"] if rule["spec"].get("gateways")]
    for http in own:
        http["rewrite"] = {"uri": "/nothing-here"}
    return objects if own else None


def without_a_sidecar(caller: Mapping[str, Any]) -> Objects:
    """A Deployment whose pods say no to injection."""
    obj = deepcopy(dict(caller))
    labels = obj["spec"]["template"]["metadata"].setdefault("labels", {})
    labels["sidecar.istio.io/inject"] = "false"
    return [obj]


CALLERS = {
    "06": "productpage-v1",
    "07": "productpage-v1",
    "08": "productpage-v1",
    "09-1": "reviews-v2",
    "09-2": "curl",
    "09-3": "curl",
    "10-1": "fortio-deploy",
    "10-2": "fortio-deploy",
    "19": "curl",
}
"""Deployments whose proxies carry out the rules, by lesson or exercise."""


def caller_of(id: str, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The Deployment of these objects that calls."""
    name = CALLERS.get(id, CALLERS.get(id[:2], ""))
    return next((o for o in objects if o["kind"] == "Deployment" and resources.name_of(o) == name), None)


TWO = "two objects make rules for the host"

BY_CLAIM = "a claim is no header: its own verdict names it"

STAYS = "the broken object is another one and stays where it is; the verdict names that one"
BROKEN = dict.fromkeys(("20-2", "21-1", "21-9"), STAYS)

MISTAKES = (
    Mistake(
        name="a misspelt host",
        change=a_misspelt_host,
        says=("no Service", "defines it for the host"),
        spares={**BROKEN, "21-2": STAYS},
    ),
    Mistake(
        name="a misspelt destination",
        change=a_misspelt_destination,
        says=("and no Service or ServiceEntry has that name; did you mean",),
    ),
    Mistake(
        name="a misspelt subset",
        change=a_misspelt_subset,
        says=("which the proxy does not have",),
    ),
    Mistake(name="a misspelt gateway", change=a_misspelt_gateway, says=("there is none of that name; did you mean",)),
    Mistake(name="no gateway", change=no_gateway, says=("has no line `gateways`",)),
    Mistake(
        name="the gateway only",
        change=the_gateway_only,
        says=("holds at the gateway bookinfo-gateway only",),
        spares={"21-1": "without a rule in the mesh reviews answer, and no more was complained of"},
    ),
    Mistake(
        name="another namespace",
        change=another_namespace,
        says=("in namespace istio-system", "istio-system.svc.cluster.local", "istio-system/bookinfo-gateway"),
        spares={**BROKEN, "21-2": STAYS, "05-3": STAYS},
    ),
    Mistake(
        name="a second object",
        change=a_second_object,
        says=(TWO,),
        spares={**BROKEN, "21-4": "the broken object has another host, so a rule beside it is a repair"},
    ),
    Mistake(
        name="a misspelt header",
        change=a_misspelt_header,
        says=("which the request does not have; did you mean",),
        spares={"13-3": BY_CLAIM},
    ),
    Mistake(
        name="a capital letter",
        change=a_capital_letter,
        says=("capital letters count",),
        spares={"13-3": BY_CLAIM},
    ),
    Mistake(name="the wrong way round", change=the_wrong_way_round, says=("has no match, so it takes every request",)),
    Mistake(name="nobody else", change=nobody_else, says=("no rule fits this request, so the answer is 404",)),
    Mistake(name="a weight left out", change=a_weight_left_out, says=("has no weight",)),
    Mistake(name="other weights", change=other_weights, says=("sends 20 % to reviews v1",)),
    Mistake(
        name="a rule for each",
        change=a_rule_for_each,
        says=("shares are several destinations in the `route` of one rule",),
    ),
    Mistake(
        name="labels of nobody",
        change=labels_of_nobody,
        says=("gives the labels version=v9, and no ready pod has them",),
        spares={"21-2": "it spoils a subset that nobody is sent to"},
    ),
    Mistake(name="no workloadSelector", change=no_selector, says=("has no workloadSelector",)),
    Mistake(name="a redirect", change=an_answer_of_its_own, says=("answers by itself with a redirect",)),
    Mistake(name="a path that is not there", change=a_path_that_is_not_there, says=("`rewrite` changes",)),
)
