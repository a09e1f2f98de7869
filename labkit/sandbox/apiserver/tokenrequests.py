"""TokenRequest: a token for a ServiceAccount, perhaps bound to a Pod or a Secret."""

import time

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, tokens, writing
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import defaults, ownership, schemas, validation
from labkit.sandbox.apiserver.objects.validation import Cause
from labkit.sandbox.apiserver.store import Item
from labkit.sandbox.apiserver.writing import Written

HOUR = 3600
SHORTEST, LONGEST = 600, 1 << 32
"""The life of a token, in seconds."""

BINDABLE = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}


async def create(core: Core, signer: tokens.Tokens, call: Call) -> Written:
    """The request with its token in the status."""
    schema = schemas.builtin("authentication.k8s.io/v1", "TokenRequest")
    assert schema is not None
    sent = defaults.with_defaults(schema, writing.body_object(call, schema))
    account = core.find(call.served, call.namespace, call.name).object
    spec = sent.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    seconds = HOUR if seconds is None else seconds
    problems = _problems(seconds)
    if problems:
        raise validation.invalid(schema, "", problems)
    reference = spec.get("boundObjectRef")
    bound = _bound(core, call.namespace, reference) if reference else None
    node = _node_of(core, bound)
    audiences = spec.get("audiences") or [tokens.ISSUER]
    token, expires = signer.issue(account, audiences=audiences, seconds=seconds, bound=bound, node=node)
    metadata = account["metadata"]
    managed = ownership.after_update(
        None, sent, manager=call.manager, subresource="token", schema=schema, time=timestamp()
    )
    answer: Object = {
        "kind": schema.kind,
        "apiVersion": schema.api_version,
        "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")}
        | {"creationTimestamp": timestamp(), "managedFields": managed},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
        "status": {
            "token": token,
            "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
        },
    }
    return Written(201, Item(answer, 0))


def _problems(seconds: int) -> list[Cause]:
    field = "spec.expirationSeconds"
    if seconds < SHORTEST:
        text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        return [Cause("FieldValueInvalid", text, field)]
    if seconds > LONGEST:
        text = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
        return [Cause("FieldValueInvalid", text, field)]
    return []


def _bound(core: Core, namespace: str, reference: Object) -> Object:
    api_version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
    plural = BINDABLE.get((api_version, kind))
    if plural is None:
        group = api_version if "/" in api_version else f"/{api_version}"
        raise refusing.bad_request(f"cannot bind token to object of type {group}, Kind={kind}")
    name, uid = reference.get("name", ""), reference.get("uid")
    obj = core.peek(f"/{plural}", "" if kind == "Node" else namespace, name)
    if obj is None:
        raise refusing.not_found("", plural, name)
    if uid and uid != obj["metadata"]["uid"]:
        why = f"the UID in the bound object reference ({uid}) does not match the UID in record. The object might have"
        why += " been deleted and then recreated"
        raise refusing.conflict("", kind, name, why)
    return obj


def _node_of(core: Core, bound: Object | None) -> Object | None:
    if bound is None or bound["kind"] != "Pod" or not bound["spec"].get("nodeName"):
        return None
    return core.peek("/nodes", "", bound["spec"]["nodeName"])
