"""Admission by programs in the cluster: webhook configurations, called over HTTPS."""

import asyncio
import base64
import binascii
import ssl
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import endpoints, labels, refusing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import decoding, defaults, jsonpatch

GROUP = "admissionregistration.k8s.io"
MUTATING = f"{GROUP}/mutatingwebhookconfigurations"
VALIDATING = f"{GROUP}/validatingwebhookconfigurations"

DEFAULT_SECONDS = 10
OPERATIONS = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
OPERATIONS["deletecollection"] = "DELETE"


class UnreachableError(Exception):
    """A webhook could not be asked; the text says why."""


class Webhooks:
    """Finds the webhooks that a write concerns, and asks them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    def __repr__(self) -> str:
        return f"Webhooks({len(self._contexts)} authorities)"

    async def close(self) -> None:
        """End kept connections."""
        if self._session:
            await self._session.close()

    async def mutate(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """The object after every mutating webhook; those that ask for it see later changes once more."""
        changed, asked = new, []
        for name, hook in list(self._concerned(MUTATING, call, new, old)):
            before = changed
            changed = await self._patched(name, hook, call, changed, old)
            asked.append((name, hook, changed))
            if changed is not before and changed != before:
                for earlier, again, seen in asked[:-1]:
                    if again.get("reinvocationPolicy") == "IfNeeded" and seen != changed:
                        changed = await self._patched(earlier, again, call, changed, old)
        return changed

    async def validate(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Ask every validating webhook; the first refusal is raised."""
        concerned = list(self._concerned(VALIDATING, call, new, old))
        if concerned:
            await asyncio.gather(*(self._ask(name, hook, call, new, old) for name, hook in concerned))
        return None

    async def _patched(self, name: str, hook: Object, call: Call, new: Object, old: Object | None) -> Object:
        response = await self._ask(name, hook, call, new, old)
        if not response or not response.get("patch"):
            return new
        try:
            patch = jsonpatch.parse(base64.b64decode(response["patch"]))
            result = jsonpatch.applied(new, patch)
        except (ValueError, binascii.Error) as e:
            raise refusing.refusal(500, "InternalError", f"Internal error occurred: {e}") from e
        schema = call.served.schema
        decoded = decoding.decode(schema, result, level=decoding.IGNORE).object
        return defaults.with_defaults(schema, decoded, old)

    def _concerned(self, table: str, call: Call, new: Object, old: Object | None) -> Iterator[tuple[str, Object]]:
        # Configurations themselves are never sent: a broken webhook could not be removed any more.
        if call.served.group == GROUP:
            return
        for item in self._core.store.table(table).items():
            for hook in item.object.get("webhooks") or []:
                if self._is_meant(hook, call, new, old):
                    yield hook["name"], hook

    def _is_meant(self, hook: Object, call: Call, new: Object, old: Object | None) -> bool:
        is_named = any(fits(rule, call) for rule in hook.get("rules") or [])
        return is_named and is_selected(self._core, hook, call, new, old)

    async def _ask(self, name: str, hook: Object, call: Call, new: Object, old: Object | None) -> Object | None:
        if call.dry_run and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            text = f"admission webhook {refusing.quoted(name)} does not support dry run"
            raise refusing.bad_request(text)
        question = review(call, new, old)
        try:
            answer = await self._called(hook, question)
        except UnreachableError as e:
            if hook.get("failurePolicy") == "Ignore":
                return None
            text = f"failed calling webhook {refusing.quoted(name)}: {e}"
            details = {"causes": [{"message": text}]}
            raise refusing.refusal(500, "InternalError", f"Internal error occurred: {text}", details) from e
        response: Object = answer.get("response") or {}
        call.warnings.extend(response.get("warnings") or [])
        if not response.get("allowed"):
            raise _denied(name, response.get("status") or {})
        return response

    async def _called(self, hook: Object, question: Object) -> Object:
        seconds = hook.get("timeoutSeconds") or DEFAULT_SECONDS
        client = hook["clientConfig"]
        shown = _shown(client, seconds)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        try:
            url, host = self._place(client)
            async with asyncio.timeout(seconds):
                async with self._session.post(
                    url,
                    data=orjson.dumps(question),
                    headers={"Content-Type": "application/json", "Host": host},
                    ssl=self._context(client.get("caBundle") or ""),
                    server_hostname=host,
                ) as reply:
                    body = await reply.read()
                    if reply.status != 200:
                        shown = refusing.quoted(body.decode("utf-8", "replace"))
                        raise UnreachableError(f"an error on the server ({shown})")
                    response: Object = orjson.loads(body)
                    return response
        except LookupError as e:
            raise UnreachableError(f"failed to call webhook: Post {refusing.quoted(shown)}: {e.args[0]}") from e
        except TimeoutError as e:
            text = "context deadline exceeded"
            raise UnreachableError(f"failed to call webhook: Post {refusing.quoted(shown)}: {text}") from e
        except (OSError, aiohttp.ClientError, ssl.SSLError, ValueError) as e:
            raise UnreachableError(f"failed to call webhook: Post {refusing.quoted(shown)}: {e}") from e

    def _place(self, client: Object) -> tuple[str, str]:
        """Where to connect, and the name that the certificate must carry."""
        if client.get("url"):
            return client["url"], urlsplit(client["url"]).hostname or ""
        service = client["service"]
        namespace, name = service["namespace"], service["name"]
        address, port = endpoints.of_service(self._core, namespace, name, str(service.get("port") or 443))
        return f"https://{address}:{port}{service.get('path') or '/'}", f"{name}.{namespace}.svc"

    def _context(self, bundle: str) -> ssl.SSLContext:
        context = self._contexts.get(bundle)
        if context is None:
            text = base64.b64decode(bundle).decode() if bundle else None
            context = self._contexts[bundle] = ssl.create_default_context(cadata=text)
        return context


def is_selected(core: Core, match: Object, call: Call, new: Object, old: Object | None) -> bool:
    """Whether the selectors of a webhook, or of a policy, take the object and its namespace."""
    if call.served.namespaced or call.served.key == "/namespaces":
        own = new or old or {}
        namespace = own if call.served.key == "/namespaces" else core.peek("/namespaces", "", call.namespace)
        if not labels.matches(match.get("namespaceSelector") or {}, _labels(namespace)):
            return False
    selector = match.get("objectSelector") or {}
    return any(labels.matches(selector, _labels(obj)) for obj in (new, old) if obj)


def _labels(obj: Object | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def fits(rule: Object, call: Call) -> bool:
    """Whether a rule names the operation and the resource of a call."""
    served = call.served
    operation = OPERATIONS.get(call.verb, "CONNECT")
    named = f"{served.plural}/{call.subresource}" if call.subresource else served.plural
    names = {named, f"{served.plural}/*", "*/*"} | ({f"*/{call.subresource}"} if call.subresource else {"*"})
    scope = rule.get("scope") or "*"
    return (
        bool({operation, "*"} & set(rule.get("operations") or []))
        and bool({served.group, "*"} & set(rule.get("apiGroups") or []))
        and bool({served.version, "*"} & set(rule.get("apiVersions") or []))
        and bool(names & set(rule.get("resources") or []))
        and (scope == "*" or (scope == "Namespaced") == served.namespaced)
    )


def review(call: Call, new: Object, old: Object | None) -> Object:
    """The AdmissionReview of a write."""
    served = call.served
    kind = {"group": served.group, "version": served.version, "kind": served.kind}
    resource = {"group": served.group, "version": served.version, "resource": served.plural}
    operation = OPERATIONS.get(call.verb, "CONNECT")
    if operation == "UPDATE" and old is None:
        operation = "CREATE"
    request: dict[str, Any] = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": call.name,
        "operation": operation,
        "userInfo": call.user.info(),
        "object": new or None,
        "oldObject": old,
        "dryRun": call.dry_run,
        "options": {"kind": f"{operation.title()}Options", "apiVersion": "meta.k8s.io/v1"},
    }
    if call.namespace:
        request["namespace"] = call.namespace
    if call.subresource:
        request["subResource"] = request["requestSubResource"] = call.subresource
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _shown(client: Object, seconds: int) -> str:
    if client.get("url"):
        return f"{client['url']}?timeout={seconds}s"
    service = client["service"]
    port = service.get("port") or 443
    return f"https://{service['name']}.{service['namespace']}.svc:{port}{service.get('path') or '/'}?timeout={seconds}s"


def _denied(name: str, answer: Object) -> status.StatusError:
    start = f"admission webhook {refusing.quoted(name)} denied the request"
    message, reason = answer.get("message"), answer.get("reason")
    if message:
        text = f"{start}: {message}"
    else:
        text = f"{start}: {reason}" if reason else f"{start} without explanation"
    code = answer.get("code") or 403
    body = {**answer, "status": "Failure", "message": text, "code": code}
    if not reason and code == 403:
        body["reason"] = "Forbidden"
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    return status.error_of(head | body)
