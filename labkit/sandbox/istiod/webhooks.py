"""istiod's webhooks: sidecar injection and validation, over HTTPS on port 15017."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from labkit.kube.resources import Object
from labkit.mesh import injection, revisions, validation
from labkit.mesh.api import caveats
from labkit.sandbox.istiod import health, protos

Namespace = Callable[[str], Object]
"""The namespace object of a name; empty when it is not known."""


class Webhooks:
    """Answers AdmissionReviews."""

    def __init__(
        self,
        namespace_of: Namespace,
        mesh_config: Callable[[], Object] = dict,
        revision: Callable[[], revisions.Revision] = revisions.Revision,
        *,
        gateway: Callable[[str, str], Object | None] = lambda namespace, name: None,
        counted: health.Health | None = None,
    ) -> None:
        """``gateway``: a Gateway by namespace and name; ``counted``: where answers are counted."""
        self._gateway = gateway
        self._namespace_of, self._mesh_config, self._revision = namespace_of, mesh_config, revision
        self._envoy = protos.Protos()
        self._counted = counted or health.Health()

    def routes(self) -> list[web.RouteDef]:
        """For aiohttp."""
        return [web.post("/inject{rest:.*}", self._inject), web.post("/validate{rest:.*}", self._validate)]

    async def _inject(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        asked = review["request"]
        pod = asked["object"]
        response: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
        try:
            namespace = self._namespace_of(asked.get("namespace", ""))
            injected = injection.inject(
                pod, namespace=namespace, mesh=self._mesh_config(), is_selected=True, revision=self._revision()
            )
        except injection.InjectionError as e:
            injected = None
            response |= {"allowed": False, "status": {"code": 400, "message": str(e)}}
        self._counted.injections["success" if injected else "skip" if response["allowed"] else "failure"] += 1
        if injected is not None:
            patch = [{"op": "add", "path": f"/{key}", "value": injected[key]} for key in ("metadata", "spec")]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(patch)).decode()}
        return _answer(review, response)

    def _unsupported(self, obj: Object) -> list[str]:
        """What is accepted and not carried out is said, whatever else the object does right."""
        return [f"{caveats.PREFIX}{text}" for text in caveats.findings(obj, self._mesh_config(), gateway=self._gateway)]

    async def _validate(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        asked = review["request"]
        obj = asked.get("object") or {}
        verdict = validation.validate(obj, envoy=self._envoy)
        response: dict[str, Any] = {"uid": asked["uid"], "allowed": verdict.is_allowed}
        kind = asked.get("resource") or {}
        group, version, plural = (str(kind.get(part, "")) for part in ("group", "version", "resource"))
        self._counted.validations[group, version, plural, verdict.is_allowed] += 1
        if not verdict.is_allowed:
            response["status"] = {"code": 400, "message": verdict.message}
        elif warnings := [*verdict.warnings, *self._unsupported(obj)]:
            response["warnings"] = warnings
        return _answer(review, response)


def _answer(review: Object, response: Object) -> web.Response:
    body = {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
    return web.Response(body=orjson.dumps(body), content_type="application/json")
