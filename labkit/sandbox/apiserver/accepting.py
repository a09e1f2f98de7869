"""The form in which a client wants its answer."""

from dataclasses import dataclass
from functools import lru_cache

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
def form(accept: str, *, watch: bool = False) -> Form:
    """The first form of an Accept header that the server speaks; 406 where it speaks none.

    Clients that prefer protobuf always take JSON too, and get it.
    """
    if not accept or accept in ("*/*", JSON):
        return PLAIN
    known = False
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        media_type = {"*/*": JSON, "application/*": JSON}.get(media_type.lower(), media_type.lower())
        known = known or media_type in MEDIA_TYPES
        if media_type not in (JSON, YAML):
            continue
        said = dict(p.partition("=")[::2] for p in parameters)
        kind, version = said.get("as", ""), said.get("v", "v1")
        if not kind:
            return Form(media_type=media_type)
        if version in _FORMS.get(kind, ()) and said.get("g") == "meta.k8s.io":
            return Form(media_type=media_type, kind=kind, version=version)
    if known:
        raise refusing.unacceptable(MEDIA_TYPES)
    streams = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
    text = f"406: Not Acceptable\n\nAvailable representations: {', '.join((*MEDIA_TYPES, *streams))}"
    raise refusing.refusal(406, "NotAcceptable", text, {})
