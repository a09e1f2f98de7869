"""What an object asks for and a sandbox does not carry out, from every part of the translation."""

from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh import gateway_api, patches
from labkit.mesh.api import unsupported
from labkit.mesh.policies import provider_findings

PREFIX = "not in this sandbox: "
"""What a warning of something that a real mesh would carry out starts with."""


def findings(obj: Object, mesh: Mapping[str, Any] | None = None) -> list[str]:
    """A sentence for each field without effect: ``spec.servers[0].bind has no effect: …``; ``mesh`` is MeshConfig.

    Without it nothing is said of providers.
    """
    return [
        *unsupported.findings(obj),
        *gateway_api.unsupported(obj),
        *patches.findings(obj),
        *(provider_findings.findings(obj, mesh) if mesh else ()),
    ]
