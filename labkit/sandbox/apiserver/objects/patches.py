"""The three patches: JSON patch, JSON merge patch, strategic merge patch."""

import copy
import json
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema


def patched(content_type: str, live: Object, body: bytes, schema: Schema) -> Object:
    """A new object: ``live`` changed as the body says; StatusError 400/415/422 as a real server words it.

    The result is not decoded yet: pass it through ``decoding.decode``, ``with_defaults`` and ``validate``.
    """
    if content_type != "application/merge-patch+json":
        raise NotImplementedError(content_type)
    result: Object = merged(live, json.loads(body))
    return result


def merged(live: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
