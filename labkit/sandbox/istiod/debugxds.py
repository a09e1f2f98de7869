"""State-of-the-world ADS for ``istio.io/debug…``, which a stock istioctl asks for proxy-status and remote-clusters.

``istio.io/debug/syncz`` answers one ``ClientConfig`` a connected proxy; ``istio.io/debug`` answers the debug page that
``resource_names`` has, as bytes. The client comes with a token of a service account in istio-system.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, message_factory

from labkit.sandbox.istiod import ads, messages

REQUEST = "envoy.service.discovery.v3.DiscoveryRequest"
RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse"
DEBUG, SYNCZ = "istio.io/debug", "istio.io/debug/syncz"
SYSTEM = "istio-system"
SYNCED, NOT_SENT, STALE, ERROR = 1, 2, 3, 4
"""``envoy.service.status.v3.ConfigStatus``."""

KINDS = ("listeners", "routes", "endpoints", "clusters", "extensions")

Account = Callable[[str], Awaitable[tuple[str, str, str]]]
"""A token → namespace and service account, and the pod that it is bound to, or PermissionError."""


class DebugDiscovery:
    """Serves the stream beside the proxies' own."""

    def __init__(self, discovery: ads.Discovery, account: Account, *, instance: str, version: str) -> None:
        self._discovery, self._account, self._version = discovery, account, version
        self._identifier = json.dumps({"Component": "istiod", "ID": instance, "Info": {"version": version}})

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``."""
        request, response = messages.message_class(REQUEST), messages.message_class(RESPONSE)
        method = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=request.FromString, response_serializer=response.SerializeToString
        )
        return grpc.method_handlers_generic_handler(ads.SERVICE, {"StreamAggregatedResources": method})

    async def _serve(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        await self._admit(context)
        async for request in requests:
            if not request.type_url.startswith(DEBUG):
                text = f"{request.type_url} is served by delta ADS alone; state of the world has {DEBUG} and {SYNCZ}"
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
            if request.response_nonce:
                continue  # it took what it was given
            response = messages.message_class(RESPONSE)(type_url=request.type_url, nonce="1", version_info="1")
            response.control_plane.identifier = self._identifier
            for url, data in self._resources(request):
                response.resources.add(type_url=url, value=data)
            yield response

    async def _admit(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        try:
            namespace, _, _ = await self._account(str(metadata.get("authorization", "")).removeprefix("Bearer "))
        except PermissionError as e:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(e))
        if namespace != SYSTEM:
            text = f"debug pages are for service accounts of {SYSTEM}, not of {namespace}"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, text)

    def _resources(self, request: Any) -> Iterator[tuple[str, bytes]]:
        if request.type_url == SYNCZ:
            for name, stream in sorted(self._discovery.streams.items()):
                yield f"{messages.PREFIX}{CONFIG}", status(name, stream)
            return
        names = list(request.resource_names) or [request.type_url.removeprefix(f"{DEBUG}/")]
        for name in names:
            yield request.type_url, self._page(name.strip("/").removeprefix("debug/"))

    def _page(self, name: str) -> bytes:
        pages: Mapping[str, Any] = {
            "clusterz": [{"id": "Kubernetes", "secretName": "", "syncStatus": "synced"}],
            "connections": {"totalClients": len(self._discovery.streams)},
        }
        if name not in pages:
            return f"no page {name}; there are {', '.join(pages)}\n".encode()
        return json.dumps(pages[name]).encode()


CONFIG = "envoy.service.status.v3.ClientConfig"


@cache
def _config_class() -> Any:
    """The part of Envoy's ``service/status/v3/csds.proto`` that istiod fills."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="labkit/csds.proto",
        package="envoy.service.status.v3",
        syntax="proto3",
        dependency=["envoy/config/core/v3/base.proto"],
    )
    config = file.message_type.add(name="ClientConfig")
    generic = config.nested_type.add(name="GenericXdsConfig")
    generic.field.add(name="type_url", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    # An enum on the wire is a number.
    generic.field.add(name="config_status", number=6, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    own, repeated = field.TYPE_MESSAGE, field.LABEL_REPEATED
    config.field.add(
        name="node", number=1, type=own, label=field.LABEL_OPTIONAL, type_name=".envoy.config.core.v3.Node"
    )
    name = f".{CONFIG}.GenericXdsConfig"
    config.field.add(name="generic_xds_configs", number=3, type=own, label=repeated, type_name=name)
    pool = messages.pool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(CONFIG))


def status(name: str, stream: ads.Stream) -> bytes:
    """A proxy's ``ClientConfig``."""
    config = _config_class()()
    config.node.id = name
    about = {"CLUSTER_ID": "Kubernetes", "NAMESPACE": stream.proxy.namespace, "ISTIO_VERSION": stream.proxy.version}
    for key, value in about.items():
        config.node.metadata.fields[key].string_value = value
    for kind in KINDS:
        config.generic_xds_configs.add(type_url=messages.type_url(kind), config_status=_word(stream, kind))
    data: bytes = config.SerializeToString()
    return data


def _word(stream: ads.Stream, kind: str) -> int:
    subscription = stream.subscriptions.get(kind)
    if subscription is None or not subscription.last:
        return NOT_SENT
    if subscription.refused:
        return ERROR
    return SYNCED if subscription.last == subscription.acked else STALE
