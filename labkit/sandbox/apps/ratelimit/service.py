"""The service on its three ports: gRPC at 8081, ``/json`` and ``/healthcheck`` at 8080, statistics at 6070."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc
from google.protobuf import json_format

from labkit.mesh import messages
from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.ratelimit import configuration, counters, deciding
from labkit.sandbox.apps.ratelimit.configuration import Limit, shortened
from labkit.sandbox.apps.ratelimit.files import Files

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
REQUEST, RESPONSE = (f"envoy.service.ratelimit.v3.RateLimit{word}" for word in ("Request", "Response"))
OK, OVER = 1, 2
UNITS = {1: "second", 2: "minute", 3: "hour", 4: "day", 5: "month", 6: "year", 7: "week"}
"""RateLimitResponse.RateLimit.Unit."""

NUMBERS = {name: number for number, name in UNITS.items()}
OVERRIDES = {1: "second", 2: "minute", 3: "hour", 4: "day", 5: "month", 6: "year", 7: "week"}
"""RateLimitUnit, of a limit that a request brings."""

PREFIX = "ratelimit.service"


class ServiceError(Exception):
    """A request that cannot be answered; the text goes back with the gRPC status UNKNOWN."""


class Store(Protocol):
    """Where counters are."""

    async def add(self, counters: Sequence[counters.Counter]) -> list[int]:
        """What each counter stands at with its new hits."""


class RateLimit:
    """Answers requests by the files and the counters."""

    def __init__(
        self,
        files: Files,
        store: Store,
        statistics: Counter[str],
        *,
        clock: Callable[[], float] = time.time,
        is_shadow: bool = False,
    ) -> None:
        self._files, self._store, self._statistics = files, store, statistics
        self._clock, self._is_shadow = clock, is_shadow
        self._limits: deciding.Statistics = Counter()
        self._request, self._response = messages.message_class(REQUEST), messages.message_class(RESPONSE)

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``."""
        method = grpc.unary_unary_rpc_method_handler(
            self._should_rate_limit,
            request_deserializer=self._request.FromString,
            response_serializer=self._response.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"ShouldRateLimit": method})

    async def _should_rate_limit(self, request: Any, context: Any) -> Any:
        try:
            return await self.answer(request)
        except (ServiceError, counters.RedisError) as e:
            await context.abort(grpc.StatusCode.UNKNOWN, str(e))

    async def answer(self, request: Any) -> Any:
        """The response to a request; ServiceError or RedisError where there is none."""
        descriptors = self._checked(request)
        assert self._files.domains is not None
        now = self._clock()
        if request.domain not in self._files.domains:
            self._statistics[f"rate_limit.{shortened(request.domain)}.domain_not_found"] += 1
        hits = deciding.hits(self._files.domains, request.domain, descriptors, now)
        counted = [(hit.counter, hit.hits, hit.limit.seconds) for hit in hits if hit.limit is not None]
        try:
            after = iter(await self._store.add(counted))
        except counters.RedisError:
            self._statistics["call.should_rate_limit.redis_error"] += 1
            raise
        every = [deciding.status(h, next(after) if h.limit is not None else 0, now, self._limits) for h in hits]
        return self._answered(every)

    def _checked(self, request: Any) -> list[deciding.Descriptor]:
        problem = ""
        if not request.domain:
            problem = "rate limit domain must not be empty"
        elif not request.descriptors:
            problem = "rate limit descriptor list must not be empty"
        elif self._files.domains is None:
            problem = f"no rate limit configuration loaded: {self._files.problem or 'there is no file'}"
        if problem:
            self._statistics["call.should_rate_limit.service_error"] += 1
            raise ServiceError(problem)
        return [self._descriptor(request, d) for d in request.descriptors]

    def _descriptor(self, request: Any, descriptor: Any) -> deciding.Descriptor:
        entries = [(entry.key, entry.value) for entry in descriptor.entries]
        override = None
        if descriptor.HasField("limit"):
            key = ".".join([request.domain, *(f"{key}_{value}" for key, value in entries)])
            unit = OVERRIDES.get(descriptor.limit.unit, "second")
            keys = ".".join([request.domain, *(key for key, _ in entries)])
            override = Limit(
                key=shortened(key),
                rolled_up=shortened(keys),
                unit=unit,
                requests=descriptor.limit.requests_per_unit,
            )
        own = descriptor.hits_addend.value if descriptor.HasField("hits_addend") else max(1, request.hits_addend)
        return deciding.Descriptor(entries=entries, hits=own, override=override)

    def _answered(self, statuses: Sequence[deciding.Status]) -> Any:
        response = self._response(overall_code=OVER if any(s.is_over for s in statuses) else OK)
        for status in statuses:
            entry = response.statuses.add(code=OVER if status.is_over else OK, limit_remaining=status.remaining)
            if status.limit is not None:
                entry.current_limit.unit = NUMBERS[status.limit.unit]
                entry.current_limit.requests_per_unit = status.limit.requests
                entry.current_limit.name = status.limit.name
                entry.duration_until_reset.seconds = status.reset
        if self._is_shadow and response.overall_code == OVER:
            response.overall_code = OK
            self._statistics["global_shadow_mode"] += 1
        return response

    async def web(self, request: Request) -> Response:
        """Port 8080."""
        if request.path == "/healthcheck":
            return exchange.text("OK")
        if request.path != "/json":
            return exchange.text("404 page not found\n", status=404)
        if request.method != "POST":
            return exchange.text("", status=405)
        try:
            message = json_format.Parse(request.body, self._request(), descriptor_pool=messages.pool())
            response = await self.answer(message)
        except json_format.ParseError as e:
            return exchange.text(f"{e}\n", status=400)
        except (ServiceError, counters.RedisError) as e:
            return exchange.text(f"{e}\n", status=500)
        body = json_format.MessageToJson(response, descriptor_pool=messages.pool(), indent=None)
        return exchange.json_text(body, status=429 if response.overall_code == OVER else 200)

    def pages(self, request: Request) -> Response:
        """Port 6070: statistics, and the limits as they are in force."""
        if request.path == "/stats":
            return exchange.text("".join(f"{name}: {count}\n" for name, count in sorted(self.statistics().items())))
        if request.path == "/rlconfig":
            return exchange.text(self.configuration())
        if request.path == "/":
            return exchange.text("/rlconfig: print out the currently loaded configuration\n/stats: print out stats\n")
        return exchange.text("404 page not found\n", status=404)

    def statistics(self) -> dict[str, int]:
        """Every statistic under the service's names."""
        limits = {f"{PREFIX}.rate_limit.{name}": count for name, count in self._limits.items()}
        return {**{f"{PREFIX}.{name}": count for name, count in self._statistics.items()}, **limits}

    def configuration(self) -> str:
        """One line a limit; above them why newer files are not used."""
        problem = f"# not used: {self._files.problem}\n" if self._files.problem else ""
        return problem + "".join(f"{limit}\n" for limit in configuration.limits(self._files.domains or {}))
