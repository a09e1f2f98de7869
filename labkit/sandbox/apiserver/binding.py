"""Binding: the scheduler puts a pod on a node."""

from dataclasses import replace

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import preparing, refusing, writing
from labkit.sandbox.apiserver.calls import Call, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import schemas
from labkit.sandbox.apiserver.writing import Written


async def bind(core: Core, call: Call) -> Written:
    """Set ``spec.nodeName``, which is nobody's field and no new generation; 409 when it is set already."""
    schema = schemas.builtin("v1", "Binding")
    sent = writing.body_object(call, schema)
    if call.verb == "create" and (sent.get("metadata") or {}).get("name") != call.name:
        raise refusing.bad_request("name in URL does not match name in Binding object")
    target = sent.get("target") or {}
    problems = []
    if target.get("kind") not in (None, "", "Node"):
        kind = refusing.quoted(target["kind"])
        problems.append(f'target.kind: Unsupported value: {kind}: supported values: "Node", "<empty>"')
    if not target.get("name"):
        problems.append("target.name: Required value")
    if problems:
        raise refusing.internal(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    pod = core.find(call.served, call.namespace, call.name).object
    held = pod["spec"].get("nodeName")
    if pod["metadata"].get("deletionTimestamp"):
        why = f"pod {call.name} is being deleted, cannot be assigned to a host"
        raise refusing.conflict("", "pods/binding", call.name, why)
    if held:
        why = f'pod {call.name} is already assigned to node "{held}"'
        raise refusing.conflict("", "pods/binding", call.name, why)
    if pod["spec"].get("schedulingGates"):
        why = f"pod {call.name} has non-empty .spec.schedulingGates"
        raise refusing.conflict("", "pods/binding", call.name, why)
    if not call.dry_run:
        core.put(call.served, _bound(pod, sent["target"]["name"], sent.get("metadata") or {}))
    return writing.done()


async def bind_named(core: Core, call: Call) -> Written:
    """As ``bind``, of the pod that the Binding itself names."""
    sent = writing.body_object(call, call.served.schema)
    metadata = dict(sent.get("metadata") or {})
    preparing.place(call, metadata)
    if not metadata.get("name"):
        raise refusing.bad_request("name is required")
    pods = core.registry.find("", "v1", "pods")
    assert pods is not None
    return await bind(core, replace(call, served=pods, name=metadata["name"], subresource="binding"))


def _bound(pod: Object, node: str, notes: Object) -> Object:
    status = pod.get("status") or {}
    others = [c for c in status.get("conditions") or [] if c["type"] != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
    }
    metadata = dict(pod["metadata"])
    for key in ("labels", "annotations"):
        if notes.get(key):
            metadata[key] = {**(metadata.get(key) or {}), **notes[key]}
    return {
        **pod,
        "metadata": metadata,
        "spec": {**pod["spec"], "nodeName": node},
        "status": {**status, "conditions": [*others, scheduled]},
    }
