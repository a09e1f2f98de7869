"""Admission by programs in the cluster: Mutating- and ValidatingWebhookConfigurations, called over HTTPS."""

import asyncio
import base64
import re
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import selectors, verbs
from labkit.sandbox.apiserver import store as stores
from labkit.sandbox.apiserver.objects import jsonpatch, refusals

MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"
EXEMPT = frozenset({MUTATING, VALIDATING})
"""Never sent to webhooks: a broken one could not be removed any more."""


class Webhooks:
    """Finds the webhooks that an order concerns, and asks them."""

    def __init__(self, store: stores.Store) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Close kept connections."""
        if self._session:
            await self._session.close()

    async def change(self, order: "verbs.Order", new: Object, old: Object | None) -> Object:
        """The object after every mutating webhook."""
        for hook in self._concerned(MUTATING, order, new, old):
            response = await self._ask(hook, order, new, old)
            if response and response.get("patch"):
                patch = orjson.loads(base64.b64decode(response["patch"]))
                new = jsonpatch.applied(new, patch)
        return new

    async def accept(self, order: "verbs.Order", new: Object | None, old: Object | None) -> None:
        """Ask every validating webhook; the first that says no is raised."""
        for hook in self._concerned(VALIDATING, order, new, old):
            await self._ask(hook, order, new, old)

    def _concerned(
        self, storage: str, order: "verbs.Order", new: Object | None, old: Object | None
    ) -> Iterator[Object]:
        if order.served.storage in EXEMPT:
            return
        for configuration in self._store.list(storage):
            for hook in configuration.get("webhooks") or []:
                if self._is_meant(hook, order, new or old or {}):
                    yield hook

    def _is_meant(self, hook: Object, order: "verbs.Order", obj: Object) -> bool:
        if not any(_fits(rule, order) for rule in hook.get("rules") or []):
            return False
        space = order.namespace if order.served.schema.namespaced else ""
        if order.served.storage == "namespaces":
            space_labels = obj.get("metadata", {}).get("labels") or {}
        else:
            found = self._store.get("namespaces", "", space) if space else None
            space_labels = (found or {}).get("metadata", {}).get("labels") or {}
        if (space or order.served.storage == "namespaces") and not selected(
            hook.get("namespaceSelector"), space_labels
        ):
            return False
        return selected(hook.get("objectSelector"), obj.get("metadata", {}).get("labels") or {})

    async def _ask(self, hook: Object, order: "verbs.Order", new: Object | None, old: Object | None) -> Object | None:
        review = _review(order, new, old)
        try:
            async with asyncio.timeout(hook.get("timeoutSeconds", 10)):
                answer = await self._post(hook, review)
        except (OSError, TimeoutError, aiohttp.ClientError, LookupError, ValueError) as e:
            if hook.get("failurePolicy", "Fail") == "Ignore":
                return None
            raise refusals.refusal(
                500,
                "InternalError",
                f'Internal error occurred: failed calling webhook "{hook["name"]}": failed to call webhook: {e or "timeout"}',
                {"causes": [{"message": f'failed calling webhook "{hook["name"]}": {e}'}]},
            ) from e
        response: Object = answer.get("response") or {}
        order.warnings.extend(response.get("warnings") or [])
        if not response.get("allowed"):
            raise _denied(hook["name"], response.get("status") or {})
        return response

    async def _post(self, hook: Object, review: Object) -> Object:
        client = hook["clientConfig"]
        url, host = self._address(client)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        context = self._context(client.get("caBundle", ""))
        async with self._session.post(
            url,
            data=orjson.dumps(review),
            headers={"Content-Type": "application/json", "Host": host},
            ssl=context,
            server_hostname=host,
        ) as reply:
            if reply.status != 200:
                raise ValueError(f"status {reply.status}")
            found: Object = orjson.loads(await reply.read())
            return found

    def _address(self, client: Object) -> tuple[str, str]:
        """Where to connect, and the name the certificate must carry."""
        if client.get("url"):
            host = re.sub(r"^https://([^:/]+).*", r"\1", client["url"])
            return client["url"], host
        service = client["service"]
        host = f"{service['name']}.{service['namespace']}.svc"
        number = service.get("port", 443)
        found = self._store.get("services", service["namespace"], service["name"])
        if found is None:
            raise LookupError(f'service "{service["name"]}" not found')
        port = next((p for p in found["spec"]["ports"] if p["port"] == number), None)
        if port is None:
            raise LookupError(f'no service port {number} found for service "{service["name"]}"')
        for place in self._store.list("endpointslices.discovery.k8s.io", service["namespace"]):
            if (place["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != service["name"]:
                continue
            target = next(
                (p["port"] for p in place.get("ports") or [] if p.get("name", "") == port.get("name", "")),
                None,
            )
            for endpoint in place.get("endpoints") or []:
                if target and (endpoint.get("conditions") or {}).get("ready", True):
                    return f"https://{endpoint['addresses'][0]}:{target}{service.get('path', '/')}", host
        raise LookupError(f'no endpoints available for service "{service["name"]}"')

    def _context(self, bundle: str) -> ssl.SSLContext:
        if bundle not in self._contexts:
            text = base64.b64decode(bundle).decode() if bundle else None
            self._contexts[bundle] = ssl.create_default_context(cadata=text or None)
        return self._contexts[bundle]


def selected(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether labels fit a LabelSelector; an empty one fits all."""
    if not selector:
        return True
    obj = {"metadata": {"labels": labels}}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    words = {"In": "{k} in ({v})", "NotIn": "{k} notin ({v})", "Exists": "{k}", "DoesNotExist": "!{k}"}
    for wish in selector.get("matchExpressions") or []:
        text = words[wish["operator"]].format(k=wish["key"], v=",".join(wish.get("values") or []))
        if not selectors.labels(text)(obj):
            return False
    return True


def _fits(rule: Object, order: "verbs.Order") -> bool:
    group, version, plural = order.served.path
    resource = f"{plural}/{order.subresource}" if order.subresource else plural
    wanted = rule.get("resources") or []
    names = {resource, "*/*", f"{plural}/*"} | ({"*"} if not order.subresource else {f"*/{order.subresource}"})
    scope = rule.get("scope", "*")
    return (
        bool({order.operation, "*"} & set(rule.get("operations") or []))
        and bool({group, "*"} & set(rule.get("apiGroups") or []))
        and bool({version, "*"} & set(rule.get("apiVersions") or []))
        and bool(names & set(wanted))
        and (scope == "*" or (scope == "Namespaced") == order.served.schema.namespaced)
    )


def _review(order: "verbs.Order", new: Object | None, old: Object | None) -> Object:
    group, version, plural = order.served.path
    kind = {"group": group, "version": version, "kind": order.served.schema.kind}
    resource = {"group": group, "version": version, "resource": plural}
    request: dict[str, Any] = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": order.name,
        "operation": order.operation,
        "userInfo": dict(order.user),
        "object": new,
        "oldObject": old,
        "dryRun": order.dry_run,
        "options": None,
    }
    if order.served.schema.namespaced:
        request["namespace"] = order.namespace
    if order.subresource:
        request["subResource"] = request["requestSubResource"] = order.subresource
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _denied(name: str, said: Object) -> Exception:
    message = said.get("message") or said.get("reason") or "without explanation"
    return refusals.refusal(
        said.get("code") or 403,
        said.get("reason", "") if said.get("message") else "",
        f'admission webhook "{name}" denied the request: {message}',
    )
