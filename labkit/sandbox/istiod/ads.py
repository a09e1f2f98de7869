"""The discovery service: delta ADS to every proxy, with its ACKs and NACKs."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from labkit.mesh import model
from labkit.sandbox.istiod import health, messages, session

log = logging.getLogger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"

TAKEN = "Address already in use"
"""In Envoy's answer where a listener's port is another program's."""

AGAIN = 5.0
"""Seconds after which such a listener is offered again."""

TUNNELS = "inside|"
"""How the listeners are called by which a node's proxy of ambient carries on what came by tunnels."""

DRAIN = 1.1
"""Seconds that such a listener keeps open tunnels after another one has taken its place (``--drain-time-s 1``)."""

Encoded = Mapping[str, session.Resources]
"""Kind → name → bytes."""


@dataclass(eq=False, kw_only=True)
class Stream:
    """One connected proxy."""

    proxy: model.Proxy
    subscriptions: dict[str, session.Subscription] = field(default_factory=dict)
    outgoing: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    resources: Encoded = field(default_factory=dict)
    push: int = 0
    """The number of the push it was last given."""

    live: int = 0
    """The number of the push it has taken whole."""

    since: float = field(default_factory=time.time)
    is_replacing: bool = False
    """Whether listeners of tunnels are being replaced: the old ones keep what is open for ``DRAIN`` seconds."""

    drained_at: float = 0.0
    """When the last of such listeners is closed, on a clock that only grows."""

    def settle(self) -> None:
        """Note the push it has when nothing is under way any more."""
        if self.is_live:
            self.live = self.push

    @property
    def is_live(self) -> bool:
        """Whether it has answered all it was given; one that has not asked for listeners yet serves nothing."""
        is_answered = all(not s.nonce for s in self.subscriptions.values())
        return "listeners" in self.subscriptions and is_answered and time.monotonic() >= self.drained_at

    @property
    def is_refusing(self) -> bool:
        """Whether it has something from before because it refused what came after."""
        return any(s.refusals for s in self.subscriptions.values())

    @property
    def refusals(self) -> dict[str, str]:
        """Kind → text of what it refused."""
        return {kind: s.refused for kind, s in self.subscriptions.items() if s.refused}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A NACK."""

    proxy: model.Proxy
    kind: str
    names: tuple[str, ...]
    """The resources that the proxy does not take."""

    text: str


Authenticate = Callable[[Mapping[str, str], Mapping[str, Any]], Awaitable[model.Proxy]]
"""(request metadata, node) → the proxy, or PermissionError."""


class Discovery:
    """Serves streams; ``publish`` gives every proxy its resources."""

    def __init__(
        self,
        authenticate: Authenticate,
        resources_for: Callable[[model.Proxy], Encoded],
        on_refusal: Callable[[Refusal], bool | None],
        on_taken: Callable[[model.Proxy], bool] = lambda _: False,
        *,
        again_after: float = AGAIN,
    ) -> None:
        """``on_refusal`` is told of each NACK, ``on_taken`` when a proxy has answered all and refused nothing anew.

        Both say whether the proxy is to be offered other resources at once.
        """
        self._again_after, self._on_taken = again_after, on_taken
        self._authenticate, self._resources_for, self._on_refusal = authenticate, resources_for, on_refusal
        self.streams: dict[str, Stream] = {}
        """By ``pod.namespace``."""
        self._nonces = itertools.count(1)
        self._next = asyncio.Event()
        self.listeners: list[Callable[[], None]] = []
        """Called when a push has gone out, and when a proxy has answered, come or gone."""

        self.pushes = 0
        self.health = health.Health()

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``."""
        request, response = messages.message_class(REQUEST), messages.message_class(RESPONSE)
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(
                    self._serve,
                    request_deserializer=request.FromString,
                    response_serializer=response.SerializeToString,
                )
            },
        )

    @property
    def reached(self) -> int:
        """The last push that every proxy has answered."""
        return min((stream.live for stream in self.streams.values()), default=self.pushes)

    @property
    def taken(self) -> int:
        """The last push that every proxy has taken whole; -1 when there is none, or one that refuses."""
        return min((-1 if s.is_refusing else s.live for s in self.streams.values()), default=-1)

    def publish(self) -> None:
        """Send every proxy what changed for it."""
        self.pushes += 1
        for stream in list(self.streams.values()):
            self.push(stream)
        self._announce()

    async def until_change(self) -> None:
        """Wait for the next push, answer, arrival or departure."""
        await self._next.wait()

    def push(self, stream: Stream) -> None:
        """Send one proxy what it lacks, types in the order that never points at what is not there."""
        stream.resources = self._resources_for(stream.proxy)
        stream.push = self.pushes
        for kind in session.ORDER:
            if kind in stream.subscriptions:
                self._send(stream, kind)
        # What does not concern a proxy is live on it at once.
        stream.settle()

    def _send(self, stream: Stream, kind: str, *, asked: set[str] | None = None) -> None:
        began = time.perf_counter()
        subscription = stream.subscriptions[kind]
        current = stream.resources.get(kind, {})
        update = session.update(kind, current, subscription, asked=asked)
        subscription.settled = current
        if update is not None:
            self._respond(stream, kind, update)
            self.health.pushed(kind, time.perf_counter() - began)

    def _respond(self, stream: Stream, kind: str, update: session.Update) -> None:
        subscription = stream.subscriptions[kind]
        if kind == "clusters" and "endpoints" in stream.subscriptions:
            # A changed cluster stays in warming until it hears of its endpoints again.
            session.forget(stream.subscriptions["endpoints"], set(update.changed))
        self.health.pushes[kind] += 1
        if kind == "listeners" and any(n.startswith(TUNNELS) and n in subscription.sent for n in update.changed):
            stream.is_replacing = True
        nonce = str(next(self._nonces))
        session.record(subscription, update, nonce=nonce, push=stream.push)
        message = messages.message_class(RESPONSE)(type_url=messages.type_url(kind), nonce=nonce)
        message.system_version_info = str(stream.push)
        for name, data in update.changed.items():
            entry = message.resources.add(name=name, version=session.version_of(data))
            entry.resource.type_url = messages.type_url(kind)
            entry.resource.value = data
        message.removed_resources.extend(update.removed)
        subscription.size, subscription.since = sum(map(len, update.changed.values())), time.monotonic()
        subscription.took = None
        stream.outgoing.put_nowait(message)

    async def _serve(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        metadata = dict(context.invocation_metadata())
        try:
            proxy = await self._authenticate(metadata, messages.as_dict(first.node))
        except PermissionError as e:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(e))
        stream = Stream(proxy=proxy)
        name = proxy.key
        self.streams[name] = stream
        stream.resources, stream.push = self._resources_for(proxy), self.pushes
        self._take(stream, first)
        self._announce()
        reader = asyncio.create_task(self._read(stream, requests))
        try:
            while True:
                message = await stream.outgoing.get()
                if message is None:
                    return
                yield message
        finally:
            reader.cancel()
            if self.streams.get(name) is stream:
                del self.streams[name]
            self._announce()

    async def _read(self, stream: Stream, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                self._take(stream, request)
                self._announce()
        finally:
            stream.outgoing.put_nowait(None)

    def _take(self, stream: Stream, request: Any) -> None:
        kind = messages.kind_of(request.type_url)
        if kind is None:
            return
        is_new = kind not in stream.subscriptions
        subscription = stream.subscriptions.setdefault(kind, session.Subscription())
        if is_new:
            subscription.sent.update(request.initial_resource_versions)
        asked = set(request.resource_names_subscribe)
        if (is_new and not asked) or "*" in asked:
            subscription.wildcard = True
        # Asking again for a name is asking to be told again.
        session.forget(subscription, asked - {"*"})
        subscription.names |= asked - {"*"}
        for name in request.resource_names_unsubscribe:
            subscription.names.discard(name)
            subscription.settled = None
            if name == "*":
                subscription.wildcard = False
            if not subscription.wildcard:
                subscription.sent.pop(name, None)
        if request.response_nonce:
            self._answered(stream, kind, subscription, request)
        # Envoy opens no listener before its first questions are answered, so "there is none" is an answer too.
        self._send(stream, kind, asked=asked if is_new or asked else None)

    def _answered(self, stream: Stream, kind: str, subscription: session.Subscription, request: Any) -> None:
        text = request.error_detail.message if request.HasField("error_detail") else ""
        if request.response_nonce == subscription.last:
            subscription.took = time.monotonic() - subscription.since
        refused, again = session.answered(subscription, request.response_nonce, text)
        for part in again:
            self._respond(stream, kind, part)
        if again and kind == "clusters" and "endpoints" in stream.subscriptions:
            self._send(stream, "endpoints")
        is_again: bool | None = False
        if refused:
            self.health.rejects[kind] += 1
            is_again = self._on_refusal(Refusal(proxy=stream.proxy, kind=kind, names=refused, text=text))
        elif stream.is_live:
            is_again = self._on_taken(stream.proxy)
        if kind == "listeners" and stream.is_replacing and not subscription.nonce:
            # What a changed policy forbids is over only when the old listener has closed its tunnels.
            stream.is_replacing, stream.drained_at = False, time.monotonic() + DRAIN
            asyncio.get_running_loop().call_later(DRAIN, self._drained, stream)
        if refused and TAKEN in text:
            asyncio.get_running_loop().call_later(self._again_after, self._again, stream, kind, refused)
        if is_again:
            self.push(stream)
        stream.settle()

    def _drained(self, stream: Stream) -> None:
        stream.settle()
        self._announce()

    def _again(self, stream: Stream, kind: str, names: tuple[str, ...]) -> None:
        """Offer a listener once more: the program that had its port may have gone."""
        if stream in self.streams.values():
            session.forget(stream.subscriptions[kind], set(names))
            self._send(stream, kind)
            self._announce()

    def _announce(self) -> None:
        for notify in self.listeners:
            notify()
        self._next.set()
        self._next = asyncio.Event()
