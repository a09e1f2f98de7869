"""The form in which a client wants its answer."""

from dataclasses import dataclass
from functools import lru_cache

from labkit.kube import status
from labkit.sandbox.apiserver import refusing

OBJECT, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEDIA_TYPES = (JSON, YAML, PROTOBUF)

_FORMS = {TABLE: ("v1", "v1beta1"), PARTIAL: ("v1", "v1beta1"), PARTIAL_LIST: ("v1", "v1beta1")}


@dataclass(frozen=True, kw_only=True)
class Form:
    """What one answer looks like."""

    media_type: str = JSON
    kind: str = OBJECT
    """Table, PartialObjectMetadata(List), or empty for the object itself."""

    version: str = "v1"
    """The version of meta.k8s.io for the kinds above."""


PLAIN = Form()


@lru_cache(maxsize=256)
def form(accept: str, *, streams: bool = False) -> Form:
    """The first form of an Accept header that the server speaks; 406 where it speaks none.

    With ``streams`` the refusal names the forms of a watch too.

    Clients that prefer protobuf always take JSON too, and get it.
    """
    if not accept or accept in ("*/*", JSON):
        return PLAIN
    is_spoken = False
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        media_type = {"*/*": JSON, "application/*": JSON}.get(media_type.lower(), media_type.lower())
        is_spoken = is_spoken or media_type in MEDIA_TYPES
        if media_type not in (JSON, YAML):
            continue
        asked = dict(p.partition("=")[::2] for p in parameters)
        kind, version = asked.get("as", ""), asked.get("v", "v1")
        if not kind:
            return Form(media_type=media_type)
        if version in _FORMS.get(kind, ()) and asked.get("g") == "meta.k8s.io":
            return Form(media_type=media_type, kind=kind, version=version)
    if is_spoken:
        raise refusing.unacceptable(MEDIA_TYPES)
    watched = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch") if streams else ()
    raise unavailable(*MEDIA_TYPES, *watched)


def of_refusal(accept: str) -> str:
    """The media type of a refusal: that of the answer there would have been, JSON where there is none."""
    try:
        return form(accept).media_type
    except status.StatusError:
        return JSON


def check(accept: str, *spoken: str) -> None:
    """406 unless an Accept header takes one of the media types, in no other form than their own."""
    clauses = [[part.strip() for part in clause.split(";")] for clause in accept.lower().split(",")]
    fitting = [clause for clause in clauses if clause[0] in ("", "*/*", "application/*", *spoken)]
    if not fitting:
        raise unavailable(*spoken)
    if all(any(parameter.startswith("as=") for parameter in clause) for clause in fitting):
        raise refusing.unacceptable(spoken)


def unavailable(*spoken: str) -> status.StatusError:
    """406 that names what there is."""
    text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(spoken)}"
    return refusing.refusal(406, "NotAcceptable", text, {})
