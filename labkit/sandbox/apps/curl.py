"""curl, for machines that have none: a small one with the options that lessons use."""

import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

VALUE_OPTIONS = {
    "-o": "output",
    "--output": "output",
    "-w": "write_out",
    "--write-out": "write_out",
    "-X": "method",
    "--request": "method",
    "-A": "agent",
    "--user-agent": "agent",
    "-b": "cookie",
    "--cookie": "cookie",
    "-c": "cookie_jar",
    "--cookie-jar": "cookie_jar",
    "-m": "max_time",
    "--max-time": "max_time",
    "--connect-timeout": "max_time",
    "-x": "proxy",
    "--proxy": "proxy",
}

FLAGS = {
    "-s": "silent",
    "--silent": "silent",
    "-S": "show_error",
    "--show-error": "show_error",
    "-I": "head",
    "--head": "head",
    "-v": "verbose",
    "--verbose": "verbose",
    "-L": "follow",
    "--location": "follow",
    "-i": "include",
    "--include": "include",
    "-f": "fail",
    "--fail": "fail",
    "-k": "insecure",
    "--insecure": "insecure",
    "-g": "silent_globbing",
    "-G": "get",
    "--get": "get",
}

DATA = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii")


class UsageError(Exception):
    """An option that this curl does not have; exit code 2."""


@dataclass(kw_only=True)
class Options:
    """What was asked for; names of the fields are the values of the tables above."""

    urls: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)


def parse(words: Sequence[str]) -> Options:
    """``-sSo /dev/null -w '%{http_code}' URL``: short flags may be joined, values may follow at once."""
    options, rest = Options(), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            options.urls.append(word)
            continue
        name, joined = (word, "") if word.startswith("--") else (word[:2], word[2:])
        if name in FLAGS:
            options.flags.add(FLAGS[name])
            if joined:
                rest.insert(0, f"-{joined}")
        elif name in ("-H", "--header"):
            options.headers.append(joined or _value(name, rest))
        elif name in DATA:
            options.data.append(_data(joined or _value(name, rest)))
        elif name in VALUE_OPTIONS:
            options.values[VALUE_OPTIONS[name]] = joined or _value(name, rest)
        else:
            raise UsageError(f"option {name}: is unknown")
    if not options.urls:
        raise UsageError("no URL specified")
    return options


def _value(name: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"option {name}: requires parameter")
    return rest.pop(0)


def _data(value: str) -> str:
    if not value.startswith("@"):
        return value
    with open(0 if value == "@-" else value[1:]) as file:  # noqa: PTH123 (0 is stdin)
        return file.read()


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Do curl's work; its exit codes."""
    return run(argv[1:], env)


def machine(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Become the machine's curl, unless it would meet nobody."""
    from labkit.sandbox.apps import precheck, system

    failure = precheck.failure(argv[1:], env)
    if failure is None:
        return system.main(argv, env)
    is_silent = any(w in ("--silent",) or (w[:1] == "-" and w[:2] != "--" and "s" in w) for w in argv[1:])
    shows = any(w == "--show-error" or (w[:1] == "-" and w[:2] != "--" and "S" in w) for w in argv[1:])
    if not is_silent or shows:
        print(f"curl: ({failure.code}) {failure.text}", file=sys.stderr)
    text = next((b for a, b in itertools.pairwise(argv) if a == "--write-out" or (a[:1] == "-" and a[-1:] == "w")), "")
    sys.stdout.buffer.write(_written(text, status=0, seconds=0.0, size=0, code=failure.code))
    return failure.code


def run(words: Sequence[str], env: Mapping[str, str], *, out: IO[bytes] | None = None) -> int:
    """Our own curl; the body goes to ``out`` or stdout."""
    try:
        options = parse(words)
    except (UsageError, OSError) as e:
        print(f"curl: {e}", file=sys.stderr)
        return 2
    target = out or sys.stdout.buffer
    code = 0
    for url in options.urls:
        code = _fetch(url if "://" in url else f"http://{url}", options, env, target) or code
    target.flush()
    return code


def _fetch(url: str, options: Options, env: Mapping[str, str], out: IO[bytes]) -> int:
    import http.client  # late: it brings the email package, and the machine's own curl is the rule

    from labkit.sandbox.apps import transfer

    start, status, size = time.monotonic(), 0, 0
    code, why = 0, ""
    try:
        status, size = transfer.fetch(url, options, env, out)
        if "fail" in options.flags and status >= 400:
            code, why = 22, f"The requested URL returned error: {status}"
    except TimeoutError:
        code, why = 28, "Operation timed out"
    except ConnectionRefusedError:
        code, why = 7, f"Failed to connect to {urlsplit(url).netloc}"
    except ConnectionResetError:
        code, why = 56, "Recv failure: Connection reset by peer"
    except (http.client.RemoteDisconnected, http.client.HTTPException):
        code, why = 52, "Empty reply from server"
    except OSError as e:
        code, why = (6 if "name" in str(e).lower() else 56), str(e)
    if why and ("silent" not in options.flags or "show_error" in options.flags):
        print(f"curl: ({code}) {why}", file=sys.stderr)
    seconds = time.monotonic() - start
    out.write(_written(options.values.get("write_out", ""), status=status, seconds=seconds, size=size, code=code))
    return code


def _written(text: str, *, status: int, seconds: float, size: int, code: int) -> bytes:
    values = {"http_code": f"{status:03d}", "response_code": f"{status:03d}"}
    values |= {"time_total": f"{seconds:.6f}", "size_download": str(size), "exitcode": str(code)}
    for name, value in values.items():
        text = text.replace(f"%{{{name}}}", value)
    return text.replace("\\n", "\n").replace("\\t", "\t").encode()
