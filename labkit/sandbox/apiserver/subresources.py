"""Paths below an object that are more than a part of it: scale, eviction, binding, token."""

import datetime

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry, tokens, verbs
from labkit.sandbox.apiserver import store as stores
from labkit.sandbox.apiserver.objects import refusals

SCALABLE = {"deployments.apps", "replicasets.apps", "statefulsets.apps", "replicationcontrollers"}


def scale_of(served: registry.Served, obj: Object) -> Object:
    """The Scale of a Deployment and its kin, or of a custom resource that says where its replicas are."""
    spec, state = obj.get("spec", {}), obj.get("status", {})
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    found: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: metadata[k] for k in kept if k in metadata},
        "spec": {"replicas": spec.get("replicas", 0)} if spec.get("replicas") else {},
        "status": {"replicas": state.get("replicas", 0)},
    }
    selector = spec.get("selector") or {}
    if text := selector_text(selector):
        found["status"]["selector"] = text
    return found


def selector_text(selector: Object) -> str:
    """``app=web,tier in (a,b)``."""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    words = {"In": "{k} in ({v})", "NotIn": "{k} notin ({v})", "Exists": "{k}", "DoesNotExist": "!{k}"}
    for wish in selector.get("matchExpressions") or []:
        parts.append(words[wish["operator"]].format(k=wish["key"], v=",".join(sorted(wish.get("values") or []))))
    return ",".join(parts)


def scaled(obj: Object, scale: Object) -> Object:
    """The object with the replicas a Scale asks for."""
    metadata = dict(obj["metadata"])
    if version := scale.get("metadata", {}).get("resourceVersion"):
        metadata["resourceVersion"] = version
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    return {**obj, "metadata": metadata, "spec": {**obj["spec"], "replicas": replicas}}


def bound(pod: Object, binding: Object) -> Object:
    """The pod on the node that a Binding names; 409 when it is on one already."""
    if pod["spec"].get("nodeName"):
        name = pod["metadata"]["name"]
        message = f'Operation cannot be fulfilled on pods/binding "{name}": pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        raise refusals.refusal(409, "Conflict", message, {"name": name, "kind": "pods/binding"})
    state = dict(pod.get("status") or {})
    now = verbs.now()
    conditions = [c for c in state.get("conditions") or [] if c["type"] != "PodScheduled"]
    observed = {"observedGeneration": pod["metadata"]["generation"]} if "generation" in pod["metadata"] else {}
    scheduled = {
        "type": "PodScheduled",
        **observed,
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    state["conditions"] = [*conditions, scheduled]
    return {**pod, "spec": {**pod["spec"], "nodeName": binding["target"]["name"]}, "status": state}


def token_request(signer: tokens.Tokens, store: stores.Store, account: Object, request: Object) -> Object:
    """The TokenRequest with its token."""
    spec = request.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or 3600)
    audiences = spec.get("audiences") or [tokens.ISSUER]
    reference = spec.get("boundObjectRef") or {}
    pod = None
    if reference.get("kind") == "Pod":
        live = store.get("pods", account["metadata"]["namespace"], reference["name"])
        if live is None:
            raise refusals.refusal(
                404,
                "NotFound",
                f'pods "{reference["name"]}" not found',
                {"name": reference["name"], "kind": "pods"},
            )
        pod = {"name": reference["name"], "uid": live["metadata"]["uid"]}
    metadata = account["metadata"]
    subject = tokens.Subject(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"], pod=pod)
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "creationTimestamp": verbs.now(),
        },
        "spec": {
            "audiences": list(audiences),
            "expirationSeconds": seconds,
            "boundObjectRef": reference or None,
        },
        "status": {
            "token": signer.signed(subject, audiences=audiences, seconds=seconds),
            "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def token_review(signer: tokens.Tokens, review: Object) -> Object:
    """Who a token belongs to."""
    spec = review.get("spec") or {}
    token = spec.get("token", "")
    wanted = spec.get("audiences") or [tokens.ISSUER]
    user = signer.user_of(token, audiences=wanted) if token else None
    state: Object = {"user": {}, "error": "invalid bearer token"}
    if user:
        state = {
            "authenticated": True,
            "user": user,
            "audiences": [a for a in wanted if a in signer.audiences_of(token)],
        }
    return {**review, "metadata": review.get("metadata") or {}, "status": state}


def access_review(review: Object) -> Object:
    """Everyone who got in may do everything here: a token of the sandbox is already the right to run programs."""
    return {
        **review,
        "metadata": review.get("metadata") or {},
        "status": {"allowed": True, "reason": "every authenticated user of the sandbox may"},
    }
