"""What validation asks about Envoy's messages, answered by their descriptors."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from labkit.kube.resources import Object
from labkit.mesh import messages
from labkit.mesh.validation import envoyfilter
from labkit.sandbox.istiod import protojson


class Protos:
    """Knows Envoy's API."""

    def __init__(self) -> None:
        self._lenient = protojson.Reader(_descriptor)
        self._strict = protojson.Reader(_descriptor, strict=True)

    def problem(self, message: str, value: Any, *, strict: bool) -> str:
        """What is wrong with JSON for a message; ``strict``: fields that it does not have as well."""
        reader = self._strict if strict else self._lenient
        return reader.problem(messages.descriptor(message), value)

    def without_type(self, message: str, value: Any) -> list[str]:
        """The names of extensions that say no ``typed_config``."""
        return list(protojson.without_type(messages.descriptor(message), value))

    def is_sendable(self, type_url: str) -> bool:
        """Whether such a message can be sent from here."""
        try:
            return _descriptor(type_url.rpartition("/")[2]) is not None
        except KeyError:
            return False

    def unsendable(self, obj: Object) -> Iterator[str]:
        """For an EnvoyFilter: messages in its patches that exist, but that cannot be sent from here."""
        if obj.get("kind") != "EnvoyFilter":
            return
        for number, patch in enumerate((obj.get("spec") or {}).get("configPatches") or []):
            for url in envoyfilter.types_of(((patch or {}).get("patch") or {}).get("value")):
                if not self.is_sendable(url):
                    name = url.rpartition("/")[2]
                    yield f"spec.configPatches[{number}].patch.value: {name} is not known here, the patch is not sent"


def _descriptor(name: str) -> Descriptor | None:
    try:
        return messages.descriptor(name)
    except KeyError:
        if messages.is_known(name):
            return None
        raise
