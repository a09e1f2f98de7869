"""The service over gRPC, with its counters in the stand-in for Redis: both real, on loopback ports."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from labkit.mesh import messages
from labkit.sandbox.apps import exchange, redis
from labkit.sandbox.apps.exchange import Request
from labkit.sandbox.apps.ratelimit import counters, files, service

CONFIG = "domain: shop\ndescriptors: [{key: user, rate_limit: {unit: minute, requests_per_unit: 20}}]\n"
METHOD = f"/{service.SERVICE}/ShouldRateLimit"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def counting(clock: Callable[[], float]) -> AsyncIterator[int]:
    """The stand-in for Redis; its port."""
    store = redis.Store(clock)
    server = await asyncio.get_running_loop().create_server(lambda: redis.Connection(store), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.contextmanager
def limiting(folder: Path, port: int, clock: Callable[[], float]) -> Iterator[service.RateLimit]:
    statistics: Counter[str] = Counter()
    read = files.Files(folder, statistics)
    read.look()
    store = counters.Counters("127.0.0.1", port, {})
    yield service.RateLimit(read, store, statistics, clock=clock)
    store.close()


@contextlib.asynccontextmanager
async def served(folder: Path, store: int, clock: Callable[[], float]) -> AsyncIterator[str]:
    """The service with its counters at a port; its address."""
    with limiting(folder, store, clock) as limit:
        async with _served(limit) as address:
            yield address


@contextlib.asynccontextmanager
async def _served(limit: service.RateLimit) -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((limit.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def request(user: str = "ann", *, domain: str = "shop") -> Any:
    message = messages.message_class(service.REQUEST)(domain=domain)
    message.descriptors.add().entries.add(key="user", value=user)
    return message


def ask(channel: Any) -> Callable[..., Any]:
    method: Callable[..., Any] = channel.unary_unary(
        METHOD,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=messages.message_class(service.RESPONSE).FromString,
    )
    return method


async def admitted(addresses: Sequence[str], *, clients: int, requests: int) -> int:
    """How many of all requests pass; every client has a connection of its own to each address."""

    async def client(address: str) -> int:
        async with grpc.aio.insecure_channel(address) as channel:
            call = ask(channel)
            answers = [await call(request(), timeout=60) for _ in range(requests)]
        return sum(answer.overall_code == service.OK for answer in answers)

    return sum(await asyncio.gather(*(client(address) for address in addresses for _ in range(clients))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def test_a_limit_admits_exactly_its_number_whoever_asks_and_however_many_replicas_answer(folder: Path) -> None:
    async def scene() -> list[int]:
        clock = Clock()
        async with counting(clock) as port, contextlib.AsyncExitStack() as stack:
            replicas = [await stack.enter_async_context(served(folder, port, clock)) for _ in range(3)]
            first = await admitted(replicas, clients=8, requests=2)
            clock.now += 60
            second = await admitted(replicas, clients=8, requests=2)
            return [first, second, await admitted(replicas, clients=1, requests=1)]

    assert asyncio.run(scene()) == [20, 20, 0]


def test_a_restart_of_the_service_forgets_nothing_and_one_of_its_store_everything(folder: Path) -> None:
    async def scene() -> list[int]:
        clock, passed = Clock(), []
        async with counting(clock) as port:
            for _ in range(2):
                async with served(folder, port, clock) as address:
                    passed.append(await admitted([address], clients=1, requests=15))
        async with counting(clock) as port, served(folder, port, clock) as address:
            passed.append(await admitted([address], clients=1, requests=15))
        return passed

    assert asyncio.run(scene()) == [15, 5, 15]


async def _refusal(folder: Path, port: int, message: Any) -> grpc.aio.AioRpcError:
    async with served(folder, port, Clock()) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(channel)(message, timeout=60)
        return refusal.value


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param(request(domain=""), "rate limit domain must not be empty", id="no domain"),
        pytest.param(
            messages.message_class(service.REQUEST)(domain="shop"),
            "rate limit descriptor list must not be empty",
            id="no descriptor",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_an_error(folder: Path, message: Any, text: str) -> None:
    assert asyncio.run(_refusal(folder, 1, message)).details() == text


def test_without_its_store_the_service_answers_with_an_error_that_names_it(folder: Path) -> None:
    error = asyncio.run(_refusal(folder, 1, request()))
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert "127.0.0.1:1" in str(error.details())


def test_a_store_that_is_no_redis_is_an_error(folder: Path) -> None:
    class Nonsense(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(b":what\r\n")

    async def scene() -> str:
        server = await asyncio.get_running_loop().create_server(Nonsense, "127.0.0.1", 0)
        async with server:
            return str((await _refusal(folder, server.sockets[0].getsockname()[1], request())).details())

    assert "is no Redis" in asyncio.run(scene())


def test_a_connection_that_broke_is_opened_again() -> None:
    async def scene() -> list[int]:
        async with counting(Clock()) as port:
            store = counters.Counters("127.0.0.1", port, {})
            first = await store.add([("a", 1, 60)])
            store.connection_lost(None)
            both = await store.add([("a", 1, 60), ("b", 5, 60)])
            store.close()
            return [*first, *both]

    assert asyncio.run(scene()) == [1, 2, 5]


def test_a_bad_file_is_said_and_the_last_good_one_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statistics: Counter[str] = Counter()
    read = files.Files(folder, statistics)
    assert read.look()
    assert not read.look()
    (folder / "config.yaml").write_text("domain: shop\ndescriptors: [{key: user, rate_limit: {unit: x}}]\n")
    assert read.look()
    assert read.domains is not None
    assert "shop" in read.domains
    assert statistics == {"config_load_success": 1, "config_load_error": 1}
    assert "config.yaml: invalid rate limit unit 'x'; the last good one stays" in capsys.readouterr().err


def test_its_pages_say_the_limits_and_the_counts(folder: Path) -> None:
    async def scene() -> tuple[str, str, int, int]:
        clock = Clock()
        async with counting(clock) as port:
            with limiting(folder, port, clock) as limit:
                message = request()
                message.hits_addend = 21
                body = json_format.MessageToJson(message).encode()
                over = await limit.web(page("POST", "/json", body))
                healthy = await limit.web(page("GET", "/healthcheck"))
                statistics, limits = (limit.pages(page("GET", path)).body.decode() for path in ("/stats", "/rlconfig"))
            return statistics, limits, over.status, healthy.status

    statistics, limits, over, healthy = asyncio.run(scene())
    assert "ratelimit.service.rate_limit.shop.user.over_limit: 1\n" in statistics
    assert limits == "shop.user: unit=MINUTE requests_per_unit=20, shadow_mode: false\n"
    assert (over, healthy) == (429, 200)


def page(method: str, path: str, body: bytes = b"") -> Request:
    return exchange.Request(method=method, path=path, query="", fields=[], headers={}, body=body, peer="127.0.0.1")
