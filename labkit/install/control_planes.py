"""The manifests of one control plane: of any revision, at any version of the sandbox's images.

Names, labels and selectors of a revision are those that ``istioctl install --revision NAME`` gives them. The gateway
has no revisions: installing one moves the gateway over to it, as in Istio.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from labkit.base import versions
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import revisions

GATEWAY = "istio-ingressgateway"
INJECTOR, DEFAULT_TAG, VALIDATOR = "istio-sidecar-injector", "istio-revision-tag-default", "istiod-default-validator"
OF_DEFAULT_TAG = (INJECTOR, VALIDATOR)
"""Webhooks of the default revision that a tag ``default`` switches off, or sends to the tag's revision."""

INJECTION, REVISION = "istio-injection", revisions.LABEL


def of(objects: list[Object], revision: revisions.Revision, *, version: str = "") -> list[Object]:
    """The default profile's objects as this revision and version have them."""
    return [_at(version or versions.istio(), _revised(obj, revision)) for obj in objects]


def is_gateway(obj: Object) -> bool:
    """Whether an object belongs to the ingress gateway."""
    return resources.labels_of(obj).get("istio") == "ingressgateway"


def _revised(obj: Object, revision: revisions.Revision) -> Object:
    if revision.is_default:
        return obj
    change = _CHANGES.get(obj["kind"], _renamed)
    return _gateway(obj, revision) if is_gateway(obj) else change(obj, revision)


def _renamed(obj: Object, revision: revisions.Revision) -> Object:
    labels = {**resources.labels_of(obj), REVISION: revision.name}
    return {**obj, "metadata": {**obj["metadata"], "name": revision.named(resources.name_of(obj)), "labels": labels}}


def _cluster_wide(obj: Object, revision: revisions.Revision) -> Object:
    """``istiod-clusterrole-canary-istio-system``."""
    renamed = _renamed(obj, revision)
    renamed["metadata"]["name"] = f"istiod-clusterrole-{revision}-{revisions.ROOT}"
    return renamed


def _bound(obj: Object, revision: revisions.Revision) -> Object:
    renamed = _cluster_wide(obj, revision)
    subjects = [
        {**s, "name": revision.named(s["name"])} if s["kind"] == "ServiceAccount" else s for s in obj["subjects"]
    ]
    return {**renamed, "roleRef": {**obj["roleRef"], "name": renamed["metadata"]["name"]}, "subjects": subjects}


def _service(obj: Object, revision: revisions.Revision) -> Object:
    return {**_renamed(obj, revision), "spec": {**obj["spec"], "selector": _selector(revision)}}


def _selector(revision: revisions.Revision) -> dict[str, str]:
    return {"app": "istiod", REVISION: revision.name}


def _deployment(obj: Object, revision: revisions.Revision) -> Object:
    template = obj["spec"]["template"]
    # istio: pilot is what the default revision's Service selects.
    labels = {**template["metadata"]["labels"], "istio": "istiod", REVISION: revision.name}
    spec = {**template["spec"], "serviceAccountName": revision.named("istiod")}
    environment = [{"name": "REVISION", "value": revision.name}]
    spec["containers"] = [{**c, "env": [*(c.get("env") or []), *environment]} for c in spec["containers"]]
    template = {**template, "metadata": {**template["metadata"], "labels": labels}, "spec": spec}
    renamed = _renamed(obj, revision)
    renamed["metadata"]["labels"]["istio"] = "istiod"
    return {**renamed, "spec": {**obj["spec"], "selector": {"matchLabels": _selector(revision)}, "template": template}}


def _injector(obj: Object, revision: revisions.Revision) -> Object:
    """A revision's own webhook takes what names the revision, and nothing else."""
    return {**_renamed(obj, revision), "webhooks": hooks(obj, revision, revision.name)}


def hooks(injector: Object, revision: revisions.Revision, label: str) -> list[Object]:
    """The webhooks that send pods of ``istio.io/rev=LABEL`` to a revision; LABEL is its name or a tag's.

    The label ``default`` is that of ``istio-injection=enabled`` too, and of pods that ask by their own label.
    """
    hook = injector["webhooks"][0]
    config = {**hook["clientConfig"], "service": _reached(hook, revision)}

    def one(name: str, space: list[Any], pod: list[Any]) -> Object:
        selectors = {"namespaceSelector": {"matchExpressions": space}, "objectSelector": {"matchExpressions": pod}}
        return {**hook, "clientConfig": config, **selectors, "name": f"{name}.sidecar-injector.istio.io"}

    off = _rule("sidecar.istio.io/inject", "NotIn", "false")
    system = _rule("kubernetes.io/metadata.name", "NotIn", "kube-system", "kube-public", "kube-node-lease")
    named, unnamed = _rule(REVISION, "In", label), _rule(REVISION, "DoesNotExist")
    switch, unswitched = _rule(INJECTION, "In", "enabled"), _rule(INJECTION, "DoesNotExist")
    entries = [
        one("rev.namespace", [named, unswitched], [off]),
        one("rev.object", [unnamed, unswitched, system], [off, named]),
    ]
    if label == revisions.DEFAULT:
        entries += [
            one("namespace", [switch], [off]),
            one("object", [unswitched, unnamed, system], [_rule("sidecar.istio.io/inject", "In", "true"), unnamed]),
        ]
    return entries


def tagged(injector: Object, revision: revisions.Revision, tag: str) -> list[Object]:
    """A tag's objects: its webhook, and a Service that leads to the revision's istiod."""
    labels = {"app": "sidecar-injector", revisions.TAG: tag, REVISION: revision.name, "istio.io/owned-by": "istioctl"}
    webhook = {
        "apiVersion": resources.MUTATING_WEBHOOKS.api_version,
        "kind": resources.MUTATING_WEBHOOKS.kind,
        "metadata": {"name": f"istio-revision-tag-{tag}", "labels": labels},
        "webhooks": hooks(injector, revision, tag),
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"istiod-revision-tag-{tag}",
            "namespace": revisions.ROOT,
            "labels": {**labels, "app": "istiod", "istio": "pilot"},
        },
        "spec": {
            "selector": {"app": "istiod", REVISION: revision.name},
            "ports": [
                {"name": "grpc-xds", "port": 15010, "protocol": "TCP"},
                {"name": "https-dns", "port": 15012, "protocol": "TCP"},
                {"name": "https-webhook", "port": 443, "targetPort": 15017, "protocol": "TCP"},
                {"name": "http-monitoring", "port": 15014, "protocol": "TCP"},
            ],
        },
    }
    return [webhook, service]


def switched_off(injector: Object) -> Object:
    """The default revision's webhook once a tag ``default`` stands for it: it never matches, as Istio has it."""
    never = {"matchLabels": {"istio.io/deactivated": "never-match"}}
    return {
        **injector,
        "webhooks": [{**h, "namespaceSelector": never, "objectSelector": never} for h in injector["webhooks"]],
    }


def redirected(validator: Object, revision: revisions.Revision) -> Object:
    """The default validator, asking this revision's istiod."""
    judged = [
        {**h, "clientConfig": {**h["clientConfig"], "service": _reached(h, revision)}} for h in validator["webhooks"]
    ]
    labels = {**resources.labels_of(validator), REVISION: revision.name}
    return {**validator, "metadata": {**validator["metadata"], "labels": labels}, "webhooks": judged}


def trusted(configuration: Object, live: Object) -> Object:
    """Webhooks with the certificate that istiod wrote into the live ones."""
    bundles = {h["name"]: h["clientConfig"].get("caBundle") for h in live.get("webhooks") or []}
    hooks_with = [
        {
            **h,
            "clientConfig": {
                **h["clientConfig"],
                **({"caBundle": bundle} if (bundle := bundles.get(h["name"])) else {}),
            },
        }
        for h in configuration["webhooks"]
    ]
    return {**configuration, "webhooks": hooks_with}


def _rule(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _reached(hook: Object, revision: revisions.Revision) -> Object:
    return {**hook["clientConfig"]["service"], "name": revision.named("istiod")}


def _validator(obj: Object, revision: revisions.Revision) -> Object:
    """A revision judges what names it; the rest is for the default validator."""
    renamed = _renamed(obj, revision)
    renamed["metadata"]["name"] = f"istio-validator-{revision}-{revisions.ROOT}"
    renamed["metadata"]["labels"].pop(revisions.TAG, None)
    own = {"matchExpressions": [_rule(REVISION, "In", revision.name)]}
    judged = [
        {**h, "objectSelector": own, "clientConfig": {**h["clientConfig"], "service": _reached(h, revision)}}
        for h in obj["webhooks"]
        if h["name"] == "validation.istio.io"
    ]
    return {**renamed, "webhooks": [{**h, "name": "rev.validation.istio.io"} for h in judged]}


def _mesh_config(obj: Object, revision: revisions.Revision) -> Object:
    data = {key: text.replace("istiod.istio-system.svc:15012", revision.address) for key, text in obj["data"].items()}
    return {**_renamed(obj, revision), "data": data}


def _gateway(obj: Object, revision: revisions.Revision) -> Object:
    if obj["kind"] != "Deployment":
        return obj
    template = obj["spec"]["template"]
    metadata = {**template["metadata"], "labels": {**template["metadata"]["labels"], REVISION: revision.name}}
    address = {"name": "CA_ADDR", "value": revision.address}
    containers = [{**c, "env": [*c["env"], address]} for c in template["spec"]["containers"]]
    template = {"metadata": metadata, "spec": {**template["spec"], "containers": containers}}
    labels = {**resources.labels_of(obj), REVISION: revision.name}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}, "spec": {**obj["spec"], "template": template}}


_CHANGES: Mapping[str, Callable[[Object, revisions.Revision], Object]] = {
    "ClusterRole": _cluster_wide,
    "ClusterRoleBinding": _bound,
    "Service": _service,
    "Deployment": _deployment,
    "ConfigMap": _mesh_config,
    "MutatingWebhookConfiguration": _injector,
    "ValidatingWebhookConfiguration": _validator,
}


def _at(version: str, obj: Object) -> Object:
    """An object whose images, or whose values for the injector, have another version."""
    own, text = versions.istio(), json.dumps(obj)
    changed: Object = json.loads(text.replace(f":{own}", f":{version}").replace(f'\\"{own}\\"', f'\\"{version}\\"'))
    return changed
