"""What an object asks for and a sandbox does not carry out, from every part of the translation."""

from labkit.kube.resources import Object
from labkit.mesh import gateway_api, patches
from labkit.mesh.api import unsupported

PREFIX = "not in this sandbox: "
"""What a warning of something that a real mesh would carry out starts with."""


def findings(obj: Object) -> list[str]:
    """A sentence for each field without effect: ``spec.servers[0].bind has no effect: …``."""
    return [*unsupported.findings(obj), *gateway_api.unsupported(obj), *patches.findings(obj)]
