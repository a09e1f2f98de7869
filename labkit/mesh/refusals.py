"""What an Envoy answers when it refuses a configuration, down to the sentence that matters."""

import re

LONGEST = 300
"""Characters of a sentence: some of Envoy's list all that it would have taken."""

# Lazily up to a bracket that ends the line or comes before the whole resource, which older Envoys put behind it.
_CONSTRAINT = re.compile(r"Proto constraint validation failed \((?P<why>[^\n]*?)\)(?=: |\s|$)")
_PLACE = re.compile(r"^Error adding/updating \w+\(s\) \S+: ")
_RESOURCE = re.compile(r"^(goo\.gle/\w+\s+)?\w+(: \S+|\s*\{)\s*$", re.MULTILINE)
"""A line of a resource as Envoy prints it."""

CUT_OFF = "...(truncated"
"""How a text ends that Envoy cut off before its reason."""

UNTOLD = "the log of its istio-proxy says why"
"""In place of a sentence that an answer was too long for."""


def sentence(text: str) -> str:
    """What is wrong, of an Envoy's answer or log, where the newest counts; empty where it holds no such thing.

    An answer ends after 4096 characters, and Envoy may put the whole resource before the reason.
    """
    constraints = _CONSTRAINT.findall(text)
    innermost = constraints[-1].split(" | caused by ")[-1] if constraints else text
    if CUT_OFF in innermost[-len(CUT_OFF) - 1 :]:
        return ""
    if constraints:
        return str(innermost.replace("ValidationError.", "."))[:LONGEST]
    if _RESOURCE.search(text):
        return ""
    first = _PLACE.sub("", text.strip()).partition("\n")[0]
    return first if len(first) <= LONGEST else f"{first[:LONGEST]}…"
