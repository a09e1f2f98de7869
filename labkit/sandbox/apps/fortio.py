"""fortio: ``load`` and ``curl`` as the circuit-breaking lesson uses them, and an echo server."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from labkit.sandbox.apps import calls, channel, exchange, server
from labkit.sandbox.apps.exchange import Request, Response

PORT = 8080

SWITCHES = ("-quiet", "-k", "-keepalive", "-stdclient", "-json-log", "-allow-initial-errors", "-nocatchup")
"""Options without a value; every other takes one, joined by ``=`` or as the next word."""

DEFAULTS = {"c": "4", "qps": "8", "n": "0", "t": "5s"}

MOST_CALLS = 100_000


class UsageError(Exception):
    """Arguments that do not say what to do."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``load``, ``curl`` or (as a container does) ``server``."""
    words = [word for word in argv if word.rpartition("/")[2] != "fortio"]
    kind, *rest = words or ["server"]
    if kind == "server":
        return server.serve(_echo, env, port=PORT)
    try:
        options, url = parse(rest)
        if kind == "load":
            return asyncio.run(_load(options, url, env))
        if kind == "curl":
            return asyncio.run(_curl(options, url, env))
        raise UsageError(f"there is no `fortio {kind}` here; there are load, curl and server")
    except (UsageError, ValueError) as e:
        print(f"fortio: {e}", file=sys.stderr)
        return 1


def parse(words: Sequence[str]) -> tuple[dict[str, list[str]], str]:
    """``-c 3 -qps=0 URL`` gives ``({"c": ["3"], "qps": ["0"]}, "URL")``."""
    options: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, joined, value = rest.pop(0).partition("=")
        if not joined and f"-{name.lstrip('-')}" not in SWITCHES:
            if not rest:
                raise UsageError(f"{name} needs a value")
            value = rest.pop(0)
        options.setdefault(name.lstrip("-"), []).append(value)
    if len(rest) != 1:
        raise UsageError(f"one URL is needed, after the options; there are {len(rest)}")
    return options, rest[0] if "://" in rest[0] else f"http://{rest[0]}"


def seconds(text: str) -> float:
    """``500ms``, ``5s``, ``2m``."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def plan_of(options: Mapping[str, Sequence[str]]) -> calls.Plan:
    """What the options ask for; ``-n`` beats ``-t``, and ``-qps 0`` is as fast as answers come."""
    value = {name: options.get(name, [default])[-1] for name, default in DEFAULTS.items()}
    count, rate = int(value["n"]), float(value["qps"])
    return calls.Plan(
        workers=max(1, min(64, int(value["c"]))),
        count=min(count, MOST_CALLS) if count > 0 else MOST_CALLS,
        rate=rate if rate > 0 else None,
        duration=None if count > 0 else seconds(value["t"]),
        limit=seconds(options.get("timeout", ["3s"])[-1]),
    )


def report(outcomes: Sequence[calls.Outcome], *, workers: int) -> str:
    """The summary that fortio prints: percentiles in seconds, and the count of each status."""
    if not outcomes:
        return "no calls\n"
    times = sorted(outcome.seconds for outcome in outcomes)
    codes = Counter(outcome.reply.status if outcome.reply else -1 for outcome in outcomes)
    span = max(o.at + o.seconds for o in outcomes) - min(o.at for o in outcomes)
    lines = [f"# target {part}% {times[min(len(times) - 1, int(len(times) * part / 100))]:.6g}" for part in PARTS]
    lines += [f"Sockets used: {workers}"]
    lines += [
        f"Code {code:3d} : {number} ({100 * number / len(outcomes):.1f} %)" for code, number in sorted(codes.items())
    ]
    average = 1000 * sum(times) / len(times)
    rate = len(outcomes) / max(span, 1e-9)
    lines += [f"All done {len(outcomes)} calls (plus 0 warmup) {average:.3f} ms avg, {rate:.1f} qps"]
    return "\n".join([*lines, ""])


PARTS = (50, 75, 90, 99)


async def _load(options: Mapping[str, Sequence[str]], url: str, env: Mapping[str, str]) -> int:
    plan = plan_of(options)
    outcomes: list[calls.Outcome] = []
    await calls.run(_call(options, url, env), plan, outcomes.append)
    print(report(outcomes, workers=plan.workers), end="", flush=True)
    return 0


async def _curl(options: Mapping[str, Sequence[str]], url: str, env: Mapping[str, str]) -> int:
    outcomes: list[calls.Outcome] = []
    await calls.run(_call(options, url, env), calls.Plan(workers=1, count=1), outcomes.append)
    reply = outcomes[0].reply
    if reply is None:
        print(f"fortio: {url}: {outcomes[0].error}", file=sys.stderr)
        return 1
    print(f"HTTP/1.1 {reply.status} {exchange.REASONS.get(reply.status, '')}")
    print(*(f"{name}: {value}" for name, value in reply.headers.items()), "", sep="\n")
    print(reply.body.decode("utf-8", "replace"), flush=True)
    return 0 if reply.status < 400 else 1


def _call(options: Mapping[str, Sequence[str]], url: str, env: Mapping[str, str]) -> channel.Call:
    fields = [("User-Agent", "fortio.org/fortio")]
    for line in options.get("H", []):
        name, _, value = line.partition(":")
        fields.append((name.strip(), value.strip()))
    return channel.call("GET", url, fields=fields, env=env)


def _echo(request: Request) -> Response:
    return exchange.text(request.body.decode("utf-8", "replace"))
