"""Requests for resources: every verb of every kind goes through here, decided by data alone."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import (
    nodes,
    replies,
    requests,
    selectors,
    subresources,
    tokens,
    verbs,
    watching,
)
from labkit.sandbox.apiserver.objects import decoding, patches, refusals

REVIEWS = {"tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "localsubjectaccessreviews",
           "selfsubjectreviews", "selfsubjectrulesreviews"}  # fmt: skip


class Handlers:
    """One method a verb; each gets the request taken apart and the user."""

    def __init__(self, objects: verbs.Verbs, signer: tokens.Tokens) -> None:
        self._verbs, self._signer = objects, signer
        self.node: nodes.NodeAgent | None = None

    async def handle(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        """Answer a request for a resource path."""
        if target.subresource and target.subresource not in (
            "status",
            "finalize",
            "ephemeralcontainers",
            "resize",
        ):
            return await self._below(request, target, user)
        if request.method == "GET":
            if target.name:
                return self._get(request, target)
            if requests.is_true(request, "watch"):
                return await self._watch(request, target)
            return self._list(request, target)
        if request.method == "POST" and not target.name:
            return await self._create(request, target, user)
        if request.method == "PUT" and target.name:
            return await self._update(request, target, user)
        if request.method == "PATCH" and target.name:
            return await self._patch(request, target, user)
        if request.method == "DELETE":
            return await self._delete(request, target, user)
        raise refusals.refusal(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
        )

    def _order(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any], operation: str
    ) -> verbs.Order:
        return verbs.Order(
            served=target.served,
            operation=operation,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            manager=requests.manager(request),
            dry_run=requests.is_dry(request),
            level=requests.level(request),
            user=user,
        )

    def _get(self, request: web.Request, target: requests.Target) -> web.StreamResponse:
        found = self._verbs.get(target.served, target.namespace, target.name)
        return replies.one(request, target.served, found)

    def _list(self, request: web.Request, target: requests.Target) -> web.StreamResponse:
        served = target.served
        matches = _matches(request, target)
        version = self._verbs.store.version
        asked = request.query.get("resourceVersion", "")
        if asked.isdigit() and int(asked) > version:
            raise replies.future(int(asked), version)
        found = [
            verbs.shown(served, obj) for obj in self._verbs.store.list(served.storage, target.namespace) if matches(obj)
        ]
        start, limit = _page(request)
        metadata: Object = {"resourceVersion": str(version)}
        rest = len(found) - start - limit
        if limit and rest > 0:
            token = base64.urlsafe_b64encode(orjson.dumps({"start": start + limit, "v": version}))
            metadata |= {"continue": token.decode(), "remainingItemCount": rest}
        page = found[start : start + limit] if limit else found[start:]
        return replies.many(request, served, page, metadata)

    async def _watch(self, request: web.Request, target: requests.Target) -> web.StreamResponse:
        asked = request.query.get("resourceVersion", "")
        initial = requests.is_true(request, "sendInitialEvents")
        if target.name:
            matches = selectors.fields(f"metadata.name={target.name}", target.served.storage)
        else:
            matches = _matches(request, target)
        selection = watching.Selection(served=target.served, namespace=target.namespace, matches=matches)
        since = int(asked) if asked.isdigit() and asked != "0" else None
        stream = watching.events(
            self._verbs.store,
            selection,
            since=since,
            initial=initial,
            bookmarks=requests.is_true(request, "allowWatchBookmarks"),
        )
        seconds = float(request.query.get("timeoutSeconds") or 1800)
        deadline = asyncio.get_running_loop().time() + seconds
        return await replies.stream(request, target.served, watching.until(deadline, stream))

    async def _create(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        order = self._order(request, target, user, "CREATE")
        obj = await self._body(request, order)
        if target.served.schema.plural in REVIEWS:
            return replies.plain(self._reviewed(target.served.schema.plural, obj, user), code=201)
        if target.served.schema.plural == "bindings":
            pods = self._verbs.kinds.find("", "v1", "pods")
            assert pods is not None
            name = obj["metadata"]["name"]
            bind = verbs.Order(served=pods, operation="UPDATE", namespace=target.namespace, name=name)
            await self._verbs.bind(bind, obj)
            return replies.plain(replies.success(), code=201)
        place = obj.get("metadata", {}).get("namespace")
        if place and target.served.schema.namespaced and place != target.namespace:
            raise refusals.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        made = await self._verbs.create(order, obj)
        return replies.one(request, target.served, made, code=201, warnings=order.warnings)

    async def _update(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        order = self._order(request, target, user, "UPDATE")
        obj = await self._body(request, order)
        name = obj.get("metadata", {}).get("name")
        if not name:
            raise refusals.bad_request("name must be provided")
        if name != target.name:
            raise refusals.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({target.name})"
            )
        made = await self._verbs.update(order, obj)
        return replies.one(request, target.served, made, warnings=order.warnings)

    async def _patch(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        order = self._order(request, target, user, "UPDATE")
        kind = request.headers.get("Content-Type", "").partition(";")[0]
        if kind not in (patches.JSON, patches.MERGE, patches.STRATEGIC, patches.APPLY):
            raise refusals.unsupported_media_type(patches.JSON, patches.MERGE, patches.STRATEGIC, patches.APPLY)
        if kind == patches.APPLY and not request.query.get("fieldManager"):
            raise refusals.refusal(
                422,
                "Invalid",
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
            )
        made, created = await self._verbs.patch(
            order, await request.read(), kind, force=requests.is_true(request, "force")
        )
        return replies.one(request, target.served, made, code=201 if created else 200, warnings=order.warnings)

    async def _delete(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        order = self._order(request, target, user, "DELETE")
        options = await self._options(request)
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        how: dict[str, Any] = {
            "grace": int(grace) if grace is not None else None,
            "propagation": options.get("propagationPolicy") or request.query.get("propagationPolicy"),
            "preconditions": options.get("preconditions"),
        }
        if not target.name:
            return await self._delete_many(request, target, order, how)
        found, gone = await self._verbs.delete(order, **how)
        if gone and target.served.storage not in replies.ANSWER_WITH_OBJECT:
            return replies.plain(replies.success(target.served, found))
        return replies.one(request, target.served, found)

    async def _delete_many(
        self, request: web.Request, target: requests.Target, order: verbs.Order, how: Mapping[str, Any]
    ) -> web.StreamResponse:
        matches = _matches(request, target)
        listed = [o for o in self._verbs.store.list(target.served.storage, target.namespace) if matches(o)]
        for obj in listed:
            one = verbs.Order(
                served=order.served,
                operation="DELETE",
                namespace=obj["metadata"].get("namespace", ""),
                name=obj["metadata"]["name"],
                dry_run=order.dry_run,
                user=order.user,
            )
            await self._verbs.delete(one, **how)
        version = {"resourceVersion": str(self._verbs.store.version)}
        return replies.many(request, target.served, listed, version)

    async def _below(
        self, request: web.Request, target: requests.Target, user: Mapping[str, Any]
    ) -> web.StreamResponse:
        served, sub = target.served, target.subresource
        if sub not in served.schema.subresources and sub != "proxy":
            raise refusals.refusal(404, "NotFound", "the server could not find the requested resource", {})
        found = self._verbs.get(served, target.namespace, target.name)
        if sub in ("log", "exec", "attach", "portforward"):
            return await self._into_pod(request, found, sub)
        order = self._order(request, target, user, "UPDATE")
        if sub == "scale":
            return await self._scale(request, target, order, found)
        body = await self._document(request)
        if sub == "token":
            return replies.plain(subresources.token_request(self._signer, self._verbs.store, found, body), code=201)
        if sub == "binding":
            await self._verbs.bind(order, body)
            return replies.plain(replies.success(), code=201)
        if sub == "eviction":
            plain = verbs.Order(
                served=served,
                operation="DELETE",
                namespace=target.namespace,
                name=target.name,
                dry_run=order.dry_run,
            )
            options = body.get("deleteOptions") or {}
            await self._verbs.delete(plain, grace=options.get("gracePeriodSeconds"))
            return replies.plain(replies.success(), code=201)
        raise refusals.refusal(404, "NotFound", "the server could not find the requested resource", {})

    async def _into_pod(self, request: web.Request, pod: Object, sub: str) -> web.StreamResponse:
        if self.node is None:
            raise refusals.internal("no kubelet runs")
        if sub == "log":
            return await self.node.log(request, pod)
        if sub == "portforward":
            return await self.node.port_forward(request, pod)
        return await self.node.exec(request, pod, attach=sub == "attach")

    async def _scale(
        self, request: web.Request, target: requests.Target, order: verbs.Order, found: Object
    ) -> web.StreamResponse:
        served = target.served
        if request.method == "GET":
            return replies.plain(subresources.scale_of(served, found))
        scale = subresources.scale_of(served, found)
        body = await request.read()
        if request.method == "PATCH":
            changed = patches.merged(scale, orjson.loads(body))
        else:
            changed = decoding.parse(body, request.headers.get("Content-Type", "")).value
        made = await self._verbs.update(order, subresources.scaled(found, changed))
        return replies.plain(subresources.scale_of(served, made))

    def _reviewed(self, plural: str, review: Object, user: Mapping[str, Any]) -> Object:
        if plural == "tokenreviews":
            return subresources.token_review(self._signer, review)
        if plural == "selfsubjectreviews":
            return {**review, "metadata": {}, "status": {"userInfo": dict(user)}}
        if plural == "selfsubjectrulesreviews":
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            others = {"verbs": ["*"], "nonResourceURLs": ["*"]}
            rules = {"resourceRules": [everything], "nonResourceRules": [others], "incomplete": False}
            return {**review, "metadata": {}, "status": rules}
        return subresources.access_review(review)

    async def _body(self, request: web.Request, order: verbs.Order) -> Object:
        kind = request.headers.get("Content-Type", "application/json")
        read = decoding.read(order.served.schema, await request.read(), kind, level=order.level)
        order.warnings.extend(read.warnings)
        return read.object

    async def _document(self, request: web.Request) -> Object:
        kind = request.headers.get("Content-Type", "application/json")
        found: Object = decoding.parse(await request.read(), kind).value
        return found

    async def _options(self, request: web.Request) -> Object:
        body = await request.read()
        if not body:
            return {}
        try:
            found = decoding.parse(body, request.headers.get("Content-Type", "application/json")).value
        except (ValueError, status.StatusError):
            return {}
        return found if isinstance(found, dict) else {}


def _matches(request: web.Request, target: requests.Target) -> watching.Matches:
    by_label = selectors.labels(request.query.get("labelSelector", ""))
    by_field = selectors.fields(request.query.get("fieldSelector", ""), target.served.storage)
    return lambda obj: by_label(obj) and by_field(obj)


def _page(request: web.Request) -> tuple[int, int]:
    limit = int(request.query.get("limit") or 0)
    token = request.query.get("continue")
    if not token:
        return 0, limit
    try:
        return int(orjson.loads(base64.urlsafe_b64decode(token))["start"]), limit
    except (ValueError, KeyError) as e:
        raise refusals.bad_request("continue key is not valid") from e
