"""A cause, filed in three parts that can be judged: the object at fault, the field, and what it does to requests.

The third part is a word of the list below. Whatever is written beside the three is for the learner's own notes: words
alone prove nothing, since "STRICT" is in a wrong explanation as easily as in a right one.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

EFFECTS: Mapping[str, str] = {
    "no-cluster": "a route leads to a cluster that the proxy does not have",
    "no-endpoints": "the cluster is there, and no pod is behind it",
    "dead-endpoint": "an address that nobody serves is among the endpoints",
    "not-applied": "the rule is for a host that is no Service, so no proxy follows it",
    "never-matches": "the match never fits, so the next rule answers",
    "shadowed": "an earlier rule takes every request before this one",
    "treated-as-tcp": "the port counts as TCP, so rules for HTTP have no effect",
    "wrong-protocol": "proxies speak a protocol to the program that it does not understand",
    "plaintext-refused": "the proxy closes connections that come without mutual TLS",
    "token-refused": "the proxy refuses the token itself, with 401",
    "caller-refused": "a policy refuses the caller, with 403",
    "redirected": "the gateway answers with a redirect itself",
    "not-injected": "the pod has no sidecar, so no rule holds for it",
    "not-visible": "the host is not exported to the caller, so it has no route",
    "too-late": "the answer comes after a timeout",
    "ejected": "endpoints are taken out for their errors",
    "limited": "a rate limit refuses the request, with 429",
}
"""What an object can do to requests, by the word that is filed."""

Fields = Collection[str]
"""``http.route.destination.subset``: without ``spec.`` and without numbers."""


@dataclass(frozen=True, kw_only=True)
class Filed:
    """An answer, taken apart; a part that was not filed is empty."""

    object: str = ""
    field: str = ""
    effect: str = ""


def parse(answer: object) -> Filed:
    """From ``{"object": …, "field": …, "effect": …}``, or from a text with the same three words in any order."""
    if isinstance(answer, Mapping):
        return _of_parts(answer)
    text = str(answer or "")
    words = re.findall(r"[\w./\[\]*-]+", text)
    effect = next((word for word in map(str.lower, words) if word in EFFECTS), "")
    field = next((word for word in words if _is_field(word)), "")
    return Filed(
        object=text.partition(":")[0].replace(field, "").replace(effect, "").strip(), field=field, effect=effect
    )


def _of_parts(answer: Mapping[str, Any]) -> Filed:
    return Filed(**{key: str(answer.get(key) or "").strip() for key in ("object", "field", "effect")})


def _is_field(word: str) -> bool:
    return word.startswith(("spec.", "metadata.")) and "/" not in word


def normal(field: str) -> str:
    """``spec.http[0].route[1].destination`` as ``http.route.destination``, in lower case."""
    return re.sub(r"\[[^\]]*\]|\.\d+(?=\.|$)|\s", "", field).lower().removeprefix("spec.").strip(".")


def is_field(filed: str, accepted: Fields) -> bool:
    """Whether a field is one of those: its whole path, or the end of it."""
    own = normal(filed)
    names = [normal(name) for name in accepted]
    return bool(own) and any(own == name or name.endswith(f".{own}") or own.endswith(f".{name}") for name in names)


def problem(filed: Filed, *, fields: Fields, effects: Fields, form: str) -> str:
    """What is missing or wrong beside the object; empty where both are right."""
    if not filed.field or not filed.effect:
        missing = " and ".join(word for word, value in (("field", filed.field), ("effect", filed.effect)) if not value)
        return f"{filed.object} is the right object: file its {missing} as well: {form}; lab.effects() lists effects"
    if filed.effect.lower() not in EFFECTS:
        return f"{filed.effect!r} is no effect of the list; lab.effects() shows it"
    if not is_field(filed.field, fields):
        return f"{filed.object} is the right object, and {filed.field} is not where the mistake is written"
    if filed.effect.lower() not in effects:
        meaning = EFFECTS[filed.effect.lower()]
        return f"object and field are right; it is not so that {meaning}: ask the proxy what happens to the request"
    return ""
