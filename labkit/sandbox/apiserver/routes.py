"""HTTP: from a request to the verb that serves it, and back."""

import asyncio
import contextlib
import logging
import socket
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from labkit.kube import status
from labkit.sandbox.apiserver import (
    accepting,
    answering,
    authentication,
    binding,
    bodies,
    deleting,
    impersonation,
    paths,
    reading,
    refusing,
    reviews,
    selectors,
    subresources,
    users,
    watching,
    writing,
)
from labkit.sandbox.apiserver.authorization import Attributes, Authorizer
from labkit.sandbox.apiserver.calls import Call, is_true
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.documents import Documents
from labkit.sandbox.apiserver.objects import gojson, goyaml, tables
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import Item
from labkit.sandbox.apiserver.users import User

LOG = logging.getLogger(__name__)

COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
LONGEST_WARNINGS, LONGEST_WARNING = 4096, 256
"""Characters of all warnings of an answer, and of one of them where they are more."""

PORTION = 64 * 1024
"""Bytes of a watch that are written at once, and that wait for a client to read them."""

BINDINGS = "/bindings"

OF_PATHS = (".", "..")
"""Names that would lead elsewhere in the path of an object."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Routes:
    """Serves every request; the one handler of the HTTP server."""

    def __init__(
        self,
        core: Core,
        *,
        documents: Documents,
        authenticator: authentication.Authenticator,
        authorizer: Authorizer,
        subs: subresources.Subresources,
        reviews: reviews.Reviews,
    ) -> None:
        self._core, self._documents = core, documents
        self._authenticator, self._authorizer = authenticator, authorizer
        self._subs, self._reviews = subs, reviews

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; every refusal is a Status, whatever went wrong."""
        try:
            return await self._handle(request)
        except status.StatusError as e:
            return refused(e, request)
        except ConnectionError:
            raise
        except RecursionError:
            return refused(refusing.bad_request("the body nests deeper than the sandbox reads"), request)
        except Exception as e:  # the server must outlive any one request
            LOG.exception("%s %s", request.method, request.path)
            return refused(refusing.refusal(500, "InternalError", f"Internal error occurred: {e!r}", {}), request)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        authentication.check_origin(request)
        target = paths.target(request.path)
        user = self._authenticator.user(request.headers)
        if target is None or not target.plural:
            attributes = Attributes(verb=request.method.lower(), path=request.path)
            self._admitted(request, user, attributes)
            return self._documents.answer(request)
        verb = self._verb(request, target)
        attributes = Attributes(
            verb=verb,
            group=target.group,
            version=target.version,
            resource=target.plural,
            namespace=target.namespace,
            name=target.name or _named(verb, request.query.get("fieldSelector", "")),
            subresource=target.subresource,
        )
        user = self._admitted(request, user, attributes)
        served = self._core.registry.find(target.group, target.version, target.plural)
        if served is None:
            if target.group and not self._has(target):
                return self._documents.page_not_found()
            raise refusing.no_such_resource()
        if served.crd is not None and _is_elsewhere(served, target, verb):
            return self._documents.page_not_found()
        _check_path(target.name)
        if target.namespace and not served.namespaced and served.plural != "namespaces":
            raise refusing.no_such_resource()
        call = await _call(request, served, user, verb, target)
        try:
            if call.subresource:
                return await self._subresource(request, call)
            _check_verb(call)
            return await self._dispatch(request, call)
        except status.StatusError as e:
            response = refused(e, request)
            if e.code != 406:
                _add_warnings(response, call)
            return response

    def _has(self, target: paths.Target) -> bool:
        registry = self._core.registry
        return registry.has(target.group, target.version) or registry.is_builtin(target.group)

    def _admitted(self, request: web.BaseRequest, user: User, attributes: Attributes) -> User:
        """The user whom the request is from; 403 when it may not do this."""
        user = impersonation.acting(user, request.headers, attributes, self._authorizer)
        self._authorizer.check(user, attributes)
        return users.readable(user)

    def _verb(self, request: web.BaseRequest, target: paths.Target) -> str:
        verbs = OBJECT_VERBS if target.name else COLLECTION_VERBS
        verb = verbs.get(request.method)
        if verb is None:
            verb = {"PUT": "update", "PATCH": "patch"}.get(request.method, request.method.lower())
        if verb == "list" and (target.watch or is_true(request.query.get("watch"))):
            return "watch"
        return verb

    async def _dispatch(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        accept = request.headers.get("Accept", "")
        form = accepting.form(accept, streams=not call.name)
        include = request.query.get("includeObject", "")
        if form.kind == accepting.TABLE:
            tables.check_include(include)
        verb, core = call.verb, self._core
        if verb == "get":
            item = await reading.get(core, call)
            return _answer(200, answering.one(call.served, item, form, include=include), form, call)
        if verb in ("list", "deletecollection"):
            work = reading.collection if verb == "list" else deleting.collection
            listing = await work(core, call)
            return _answer(200, answering.many(call.served, listing, form, include=include), form, call)
        if verb == "watch":
            return await self._watch(request, call, form, include)
        if verb == "delete":
            return self._deleted(call, await deleting.delete(core, call), form)
        if call.verb == "patch":
            writing.check_patch(call)
        call.check_options()
        if call.served.key == BINDINGS:
            bound = await binding.bind_named(core, call)
            return _answer(bound.code, answering.one(call.served, bound.item, form), form, call)
        if call.served.verbs == ("create",):
            item = Item(self._reviews.answer(call), 0)
            return _answer(201, answering.one(call.served, item, form), form, call)
        work_of = {"create": writing.create, "update": writing.update, "patch": writing.patch}
        written = await work_of[verb](core, call)
        return _answer(written.code, answering.one(call.served, written.item, form, include=include), form, call)

    def _deleted(self, call: Call, deleted: deleting.Deleted, form: accepting.Form) -> web.Response:
        served, item = call.served, deleted.item
        if not deleted.gone or served.strategy.returns_deleted:
            return _answer(200, answering.one(served, item, form), form, call)
        details = refusing.details(call.name, served.group, served.plural)
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        body = done | {"details": details | {"uid": item.object["metadata"]["uid"]}}
        plain = accepting.Form(media_type=form.media_type)
        return _answer(200, answering.encoded(body, plain), plain, call)

    async def _watch(
        self, request: web.BaseRequest, call: Call, form: accepting.Form, include: str
    ) -> web.StreamResponse:
        transport = _narrow(request)
        stream = watching.stream(self._core, call, on_lost=transport.abort)
        response: web.StreamResponse | None = None
        try:
            async for batch in stream:
                if response is None:
                    response = web.StreamResponse(headers={"Content-Type": form.media_type})
                    _add_warnings(response, call)
                    response.enable_chunked_encoding()
                    await response.prepare(request)
                    first = True
                lines, size = [], 0
                for event in batch:
                    lines.append(answering.event(call.served, event, form, include=include, first=first))
                    first, size = False, size + len(lines[-1])
                    if size > PORTION:
                        await response.write(b"".join(lines))
                        lines, size = [], 0
                if lines:
                    await response.write(b"".join(lines))
            assert response is not None
            await response.write_eof()
        except ConnectionError:
            # The client has left.
            assert response is not None
        finally:
            await stream.aclose()
        return response

    async def _subresource(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        served = await self._subs.serve(request, call)
        if isinstance(served, web.StreamResponse):
            return served
        form = accepting.form(request.headers.get("Accept", ""))
        return _answer(served.code, answering.one(call.served, served.item, form), form, call)


def _narrow(request: web.BaseRequest) -> asyncio.Transport:
    """The request's connection, which from now on holds little that its client leaves unread."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has left")
    transport.set_write_buffer_limits(high=PORTION)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PORTION)
    return transport


async def _call(request: web.BaseRequest, served: Served, user: User, verb: str, target: paths.Target) -> Call:
    body = b"" if request.method in ("GET", "HEAD") else await bodies.read(request)
    return Call(
        verb=verb,
        served=served,
        user=user,
        namespace=target.namespace if served.namespaced else "",
        name=target.name,
        subresource=target.subresource,
        query=dict(request.query) if request.query_string else {},
        body=body,
        content_type=request.headers.get("Content-Type", "application/json"),
        agent=request.headers.get("User-Agent", ""),
        warnings=_deprecations(served),
    )


def _check_path(name: str) -> None:
    """400 for a name that no path of an object ends with."""
    problem = f"be '{name}'" if name in OF_PATHS else "contain '%'" if "%" in name else ""
    if problem:
        raise refusing.bad_request(f"Name parameter invalid: {refusing.quoted(name)}: may not {problem}")


def _named(verb: str, field_selector: str) -> str:
    """The one name that a request for several objects asks for; a selector that cannot be read names none."""
    if verb in ("list", "watch", "deletecollection") and field_selector:
        with contextlib.suppress(status.StatusError):
            return selectors.named(field_selector)
    return ""


def _deprecations(served: Served) -> list[str]:
    if served.deprecation:
        return [served.deprecation]
    if served.key == "/endpoints":
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]
    if served.key == "/componentstatuses":
        return ["v1 ComponentStatus is deprecated in v1.19+"]
    return []


def _is_elsewhere(served: Served, target: paths.Target, verb: str) -> bool:
    """Whether a definition's resource is not served at this kind of path: in a namespace, or outside of one."""
    if served.namespaced:
        return not target.namespace and (bool(target.name) or verb not in ("list", "watch"))
    return bool(target.namespace)


def _check_verb(call: Call) -> None:
    """404 or 405 for a verb that this path does not have."""
    served, verb = call.served, call.verb
    if served.namespaced and not call.namespace:
        if call.name:
            raise refusing.no_such_resource()
        if verb not in ("list", "watch"):
            raise refusing.method_not_allowed()
    if verb == "create" and call.name:
        raise refusing.method_not_allowed()
    if (verb in ("update", "patch") and not call.name) or verb not in served.verbs:
        raise refusing.method_not_allowed()


def _answer(code: int, body: bytes, form: accepting.Form, call: Call) -> web.Response:
    response = web.Response(status=code, body=body, headers={"Content-Type": form.media_type})
    _add_warnings(response, call)
    return response


def _add_warnings(response: web.StreamResponse, call: Call) -> None:
    # As k8s.io/apiserver's warning recorder: no control characters in a header, and not too much text in all.
    texts = [text for text in dict.fromkeys(call.warnings) if not any(unicodedata.category(c) == "Cc" for c in text)]
    if sum(map(len, texts)) > LONGEST_WARNINGS:
        texts = [text[:LONGEST_WARNING] for text in texts][: LONGEST_WARNINGS // LONGEST_WARNING]
    for text in texts:
        shown = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{shown}"')


def refused(error: status.StatusError, request: web.BaseRequest) -> web.Response:
    """A refusal as an HTTP answer, in YAML for who asked for that."""
    body: dict[str, Any] = dict(error.status)
    media_type = accepting.of_refusal(request.headers.get("Accept", ""))
    headers = {"Content-Type": media_type}
    seconds = (body.get("details") or {}).get("retryAfterSeconds")
    if seconds:
        headers["Retry-After"] = str(seconds)
    valid = gojson.valid(body)
    text = orjson.dumps(valid) + b"\n" if media_type == accepting.JSON else goyaml.dumps(valid).encode()
    return web.Response(status=error.code, body=text, headers=headers)
