"""What a stock istioctl asks over gRPC, asked by a client of our own."""

import asyncio
import json

import grpc
import pytest

from labkit.sandbox.istiod import ads, debugxds, messages
from tests.sandbox.istiod import proxies

METHOD = f"/{ads.SERVICE}/StreamAggregatedResources"


async def account(token):
    if not token:
        raise PermissionError("no token")
    return token, "default", ""


def answer(type_url, *names, token="istio-system", kinds=("clusters",)):
    """The response to one question, while one proxy is connected that took these kinds."""

    async def scene():
        discovery = ads.Discovery(proxies.proxy_of, lambda _: {}, lambda _: None)
        debug = debugxds.DebugDiscovery(discovery, account, instance="istiod-1", version="1.31.1")
        stream = ads.Stream(proxy=proxies.proxy(version="1.31.1"))
        for kind in kinds:
            stream.subscriptions[kind] = debugxds.ads.session.Subscription(last="7", acked="7")
        discovery.streams["web.default"] = stream
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((discovery.handler(), debug.handler()))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        request, response = messages.message_class(debugxds.REQUEST), messages.message_class(debugxds.RESPONSE)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(
                METHOD, request_serializer=request.SerializeToString, response_deserializer=response.FromString
            )(metadata=(("authorization", f"Bearer {token}"),))
            try:
                await call.write(request(type_url=type_url, resource_names=names))
                return await call.read()
            finally:
                call.cancel()
                await server.stop(0)

    return asyncio.run(scene())


def test_syncz_has_the_state_of_each_proxy_by_type():
    response = answer("istio.io/debug/syncz")
    (resource,) = response.resources
    assert resource.type_url == "type.googleapis.com/envoy.service.status.v3.ClientConfig"
    config = debugxds._config_class().FromString(resource.value)
    assert config.node.id == "web.default"
    assert config.node.metadata.fields["ISTIO_VERSION"].string_value == "1.31.1"
    states = {c.type_url.rpartition(".")[2]: c.config_status for c in config.generic_xds_configs}
    assert states["Cluster"] == debugxds.SYNCED
    assert states["Listener"] == debugxds.NOT_SENT


def test_the_answer_names_the_istiod():
    identifier = json.loads(answer("istio.io/debug/syncz").control_plane.identifier)
    assert identifier == {"Component": "istiod", "ID": "istiod-1", "Info": {"version": "1.31.1"}}


def test_a_debug_page_comes_as_its_bytes():
    (resource,) = answer("istio.io/debug", "clusterz").resources
    assert json.loads(resource.value)[0]["syncStatus"] == "synced"


@pytest.mark.parametrize(
    ("type_url", "token", "code"),
    [
        ("istio.io/debug/syncz", "", grpc.StatusCode.UNAUTHENTICATED),
        ("istio.io/debug/syncz", "default", grpc.StatusCode.PERMISSION_DENIED),
        (messages.type_url("clusters"), "istio-system", grpc.StatusCode.UNIMPLEMENTED),
    ],
    ids=["nobody", "another namespace", "a proxy's question"],
)
def test_others_are_refused(type_url, token, code):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        answer(type_url, token=token)
    assert refused.value.code() == code
