"""Which Ingresses are Istio's: the annotation decides, then the IngressClass, then ``ingressControllerMode``."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model

INGRESSES, CLASSES = "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io"
CONTROLLER = "istio.io/ingress-controller"
"""The controller of an IngressClass that means Istio."""

ANNOTATION = "kubernetes.io/ingress.class"
OFF, DEFAULT = "OFF", "DEFAULT"
"""Modes of ``ingressControllerMode`` beside STRICT, which stands where none is given."""


def is_istios(ingress: Object, classes: Mapping[str, Object], mesh_config: Mapping[str, Any]) -> bool:
    """Whether istiod carries an Ingress out; ``classes`` are the IngressClasses by name."""
    mode = mesh_config.get("ingressControllerMode") or "STRICT"
    if mode == OFF:
        return False
    annotation = resources.annotations_of(ingress).get(ANNOTATION)
    if annotation is not None:
        return annotation == (mesh_config.get("ingressClass") or "istio")
    named = classes.get((ingress.get("spec") or {}).get("ingressClassName") or "")
    if named is not None:
        return (named.get("spec") or {}).get("controller") == CONTROLLER
    return bool(mode == DEFAULT)


def served(snapshot: model.Snapshot) -> Iterator[Object]:
    """Istio's Ingresses, oldest first: the oldest of a host comes before the others of it."""
    classes = {resources.name_of(one): one for one in snapshot.of(CLASSES)}
    ours = (one for one in snapshot.of(INGRESSES) if is_istios(one, classes, snapshot.mesh_config))
    yield from sorted(ours, key=_age)


def _age(obj: Object) -> tuple[str, str, str]:
    return obj["metadata"].get("creationTimestamp", ""), resources.name_of(obj), resources.namespace_of(obj)
