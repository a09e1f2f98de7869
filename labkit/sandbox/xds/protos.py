"""What validation asks about Envoy's messages, answered by their descriptors."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import envoyfilter
from labkit.sandbox.xds import messages

FOREIGN = ("envoy.", "istio.", "udpa.", "xds.")
"""Packages of which a real istiod knows more than the descriptors at hand."""


class Protos:
    """Knows Envoy's API."""

    def is_known(self, type_url: str) -> bool:
        """Whether a real istiod would know a message of that type."""
        return self.is_sendable(type_url) or type_url.rpartition("/")[2].startswith(FOREIGN)

    def is_sendable(self, type_url: str) -> bool:
        """Whether such a message can be sent from here."""
        try:
            messages.message_class(type_url.rpartition("/")[2])
        except KeyError:
            return False
        return True

    def unknown_field(self, message: str, value: Mapping[str, Any]) -> str:
        """The first field that the message does not have; empty when it has them all."""
        fields = messages.message_class(message).DESCRIPTOR.fields_by_name.values()
        known = {f.name for f in fields} | {f.json_name for f in fields}
        return next((name for name in value if name not in known), "")

    def unsendable(self, obj: Object) -> Iterator[str]:
        """For an EnvoyFilter: messages in its patches that exist, but that cannot be sent from here."""
        if obj.get("kind") != "EnvoyFilter":
            return
        for number, patch in enumerate((obj.get("spec") or {}).get("configPatches") or []):
            for url in envoyfilter.types_of(((patch or {}).get("patch") or {}).get("value")):
                if not self.is_sendable(url):
                    name = url.rpartition("/")[2]
                    yield f"spec.configPatches[{number}].patch.value: {name} is not known here, the patch is not sent"
