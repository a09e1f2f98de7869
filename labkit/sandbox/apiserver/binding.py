"""Binding: the scheduler puts a pod on a node."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, writing
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
    pod = core.find(call.served, call.namespace, call.name).object
    held = pod["spec"].get("nodeName")
    if held:
        why = f'pod {call.name} is already assigned to node "{held}"'
        raise refusing.conflict("", "pods/binding", call.name, why)
    if not call.dry_run:
        core.put(call.served, _bound(pod, sent["target"]["name"], sent.get("metadata") or {}))
    return writing.done()


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
