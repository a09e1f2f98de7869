"""Sidecar injection: whether a pod gets a proxy, and the pod with it. Follows Istio 1.31's default profile."""

from labkit.mesh.injection.container import IMAGE, INIT, PROXY
from labkit.mesh.injection.deciding import is_wanted
from labkit.mesh.injection.pods import inject
from labkit.mesh.injection.settings import InjectionError

__all__ = ["IMAGE", "INIT", "PROXY", "InjectionError", "inject", "is_wanted"]
