"""Kubernetes Ingresses of Istio's class: they become Gateways and VirtualServices, as istiod does inside.

``expanded(snapshot)`` is the snapshot with the converted objects in it, to be translated like any other;
``statuses(snapshot)`` is what their status should be.
"""

from labkit.mesh.ingress.classes import CONTROLLER, is_istios
from labkit.mesh.ingress.converting import expanded
from labkit.mesh.ingress.statuses import Key, statuses

__all__ = ["CONTROLLER", "Key", "expanded", "is_istios", "statuses"]
