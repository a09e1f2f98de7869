"""What validation asks about Envoy's messages, answered by their descriptors."""

from typing import Any

from google.protobuf.descriptor import Descriptor

from labkit.mesh import messages
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


def _descriptor(name: str) -> Descriptor | None:
    try:
        return messages.descriptor(name)
    except KeyError:
        if messages.is_known(name):
            return None
        raise
